"""From the integer graph to instructions and a memory image."""
