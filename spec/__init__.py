"""The contract that hardware, compiler, golden model and simulation share. Imports nothing else."""
