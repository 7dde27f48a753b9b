"""Comparing what Canvas says with what the tables hold, and repairing it."""
