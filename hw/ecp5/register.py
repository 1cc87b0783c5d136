"""TRELLIS_FF: a register that Yosys leaves as it is."""

from amaranth.hdl import ClockSignal, Instance, Module, Signal


def build(m: Module, value, register: Signal) -> None:
    """``register`` is ``value`` a cycle later, with its initial value after configuration."""
    for i, bit in enumerate(value):
        start = "SET" if register.init >> i & 1 else "RESET"
        m.submodules[f"{register.name}_{i}"] = Instance(
            "TRELLIS_FF",
            p_GSR="DISABLED",
            p_CEMUX="1",
            p_CLKMUX="CLK",
            p_LSRMUX="LSR",
            p_REGSET=start,
            i_CLK=ClockSignal(),
            i_LSR=0,
            i_DI=bit,
            o_Q=register[i],
        )
