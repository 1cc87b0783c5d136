"""From the accelerator to a board: devices, tools, SoC, bitstream, host."""
