"""The verification plan and what carries it out: proofs, random tests, coverage, faults, mutants."""
