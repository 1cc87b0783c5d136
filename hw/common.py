"""Small building blocks used by several units."""

from amaranth.hdl import Module, Mux, Signal, Value


def delay(m: Module, value, cycles: int, name: str, *, reset_less: bool = False):
    """``value`` delayed by ``cycles`` registers. Keeps the shape, structures included."""
    for i in range(cycles):
        stage = Signal.like(value, name=f"{name}_d{i + 1}", reset_less=reset_less)
        m.d.sync += stage.eq(value)
        value = stage
    return value


def maximum(a: Value, b: Value) -> Value:
    """The larger of two values."""
    return Mux(a > b, a, b)


def clamp(value: Value, lo: Value, hi: Value) -> Value:
    """``value`` limited to [lo, hi]."""
    return Mux(value < lo, lo, Mux(value > hi, hi, value))
