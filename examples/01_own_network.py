"""A PyTorch network of one's own: training, int8, the RTL."""
