"""From a preset to a netlist for an LFE5U-25F, and what follows."""
