"""Sending records to the queue or the stream: events from files, and what was rejected or could not be processed."""
