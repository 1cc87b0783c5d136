"""Compiled programs on the RTL in both simulators: every stored tensor equals the golden model."""
