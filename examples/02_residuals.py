"""Why residuals: a deep plain network beside its residual twin, loss and gradients by layer, then both on the RTL."""
