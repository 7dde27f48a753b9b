"""A deployed stack: its resources, its tables, its health checks."""
