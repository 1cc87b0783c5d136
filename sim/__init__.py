"""Runs compiled images on the RTL: simulator discovery, build cache, memory model, cocotb bench."""
