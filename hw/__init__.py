"""The accelerator in Amaranth, one unit a file. Knows `resarray.spec` only."""
