"""The installation of the command and of what it needs."""
