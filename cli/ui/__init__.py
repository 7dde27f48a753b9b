"""What the commands share: arguments, output, rendering, messages."""
