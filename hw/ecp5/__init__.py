"""The ECP5's multipliers and memories, instantiated with all their registers."""
