"""Front ends: each reads a network of one form into a float graph, operator by operator."""
