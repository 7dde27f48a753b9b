"""The catalogue of event types, and everything that is generated from it."""
