"""FPGA flow."""
