"""Unit tests of the hardware in Amaranth's simulator: reference against RTL, random stalls."""
