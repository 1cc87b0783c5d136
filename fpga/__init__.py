"""From the accelerator to an FPGA: tools, devices, out-of-context synthesis."""
