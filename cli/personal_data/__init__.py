"""What the tables hold about a person: find it, and erase it."""
