"""The verification plan and what carries it out: proofs, random tests, faults, mutants."""
