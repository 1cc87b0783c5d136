"""The public Python API, see `resarray`: the same for simulation and board."""
