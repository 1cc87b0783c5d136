"""What goes wrong outside the accelerator, made to happen at every place and time."""
