"""What the functions log and measure."""
