"""The deployment package."""
