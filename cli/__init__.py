"""What a person runs: ``canvas-events --help``."""
