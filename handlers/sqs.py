"""The Lambda entry point for the SQS queue: the body of each message is an event."""

from handlers.runtime import BatchProcessor
from handlers.sources import SOURCES

handler = BatchProcessor(SOURCES["sqs"]).handle
