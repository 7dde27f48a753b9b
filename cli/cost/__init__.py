"""What a deployment costs a month, and what it sustains: prices, arithmetic, a simulation of a busy day."""
