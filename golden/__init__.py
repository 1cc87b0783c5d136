"""PyTorch golden models: the float network, its quantisation, the integer graph and its reference."""
