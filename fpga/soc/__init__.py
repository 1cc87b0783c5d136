"""LiteX system around the accelerator; LiteX itself is imported only by `generate`'s process."""
