"""Drafts of catalogue entries: what a source says of event types, the kinds that follow, the entry, what differs."""
