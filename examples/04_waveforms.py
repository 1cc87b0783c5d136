"""One layer's waveforms, and what the array waited for, counted in them."""
