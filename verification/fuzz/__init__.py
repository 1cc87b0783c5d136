"""Random networks and random programs on random memories: RTL against its models, bit for bit."""
