"""Random networks, random programs and random memories on the RTL; shrinking and replay."""
