"""Records to valid Live Events: decode, admit, validate."""
