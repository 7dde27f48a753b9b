"""What a person runs: ``python -m cli --help``."""
