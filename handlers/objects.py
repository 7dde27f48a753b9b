"""The Lambda entry point for objects: each message names an object, whose lines are records."""

from handlers.archive.processor import ObjectProcessor
from handlers.sources import SOURCES

handler = ObjectProcessor.load(SOURCES["objects"]).handle
