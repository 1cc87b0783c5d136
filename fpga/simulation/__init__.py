"""A whole board simulated from its pins."""
