"""The campaigns of the verification plan."""
