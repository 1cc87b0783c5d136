"""Coverage of the hardware: lines of ``hw/``, toggles of every net, and functional bins."""
