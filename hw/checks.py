"""Distances in cycles that a unit relies on, checked while it is simulated alone."""

from amaranth.hdl import Assert, Cat, Module, Signal


def check(m: Module, platform, holds, message: str) -> None:
    """In every cycle ``holds``, or a unit test ends in an AssertionError with ``message``.

    Amaranth's own simulator elaborates with no platform. The Verilog has one (`verilog.TARGETS`)
    and is built without checks: they and the registers that only they read would be simulated and
    printed by every simulator, and synthesised.
    """
    if platform is None:
        m.d.sync += Assert(holds, message)


def check_apart(m: Module, platform, first, then, cycles: int, message: str) -> None:
    """`check` that ``then`` comes ``cycles`` cycles after ``first`` at the earliest, or with it."""
    if platform is None:
        recent = Signal(cycles - 1, name="recent")
        m.d.sync += recent.eq(Cat(first, recent))
        check(m, platform, ~(then & recent.any()), message)
