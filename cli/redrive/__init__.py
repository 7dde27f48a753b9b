"""Records sent to the queue or the stream, for the first time or again."""
