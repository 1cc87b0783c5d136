"""The accelerator on FPGA boards: SoC, bitstream, host."""
