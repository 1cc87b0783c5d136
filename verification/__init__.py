"""The verification plan and what carries it out: proofs, random campaigns, coverage, faults, mutants."""
