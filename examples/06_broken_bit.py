"""One bit of the Verilog broken, and found."""
