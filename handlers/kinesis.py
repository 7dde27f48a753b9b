"""The Lambda entry point for the Kinesis stream: the data of each record is an event."""

from handlers.runtime import BatchProcessor
from handlers.sources import SOURCES

handler = BatchProcessor(SOURCES["kinesis"]).handle
