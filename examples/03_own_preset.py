"""A preset of one's own: cycles, multipliers, memories."""
