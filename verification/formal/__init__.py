"""Proofs: units of the hardware beside their specifications, and the solvers that compare them."""
