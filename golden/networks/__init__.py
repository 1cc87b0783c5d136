"""The zoo's networks, with the parameter names of their published weights. Definitions alone: how
their input is made stands in `golden.models`."""
