"""PyTorch golden models: float network, quantisation, integer graph and its references."""
