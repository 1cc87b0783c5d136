"""``resarray bench``: whole networks on the RTL, measured by the hardware's counters."""
