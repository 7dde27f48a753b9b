"""The local stack: MiniStack, the template deployed into it, runs and their logs."""
