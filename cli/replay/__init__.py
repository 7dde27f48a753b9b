"""Replay archived objects: choose them, send them to the objects queue, and follow how each ends."""
