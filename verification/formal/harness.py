"""What properties are built of: a unit with free inputs, and what its streams promise."""

from amaranth.hdl import Assert, Assume, Module, Signal, Value
from amaranth.lib.wiring import Component, In, Out, connect, flipped


class Harness(Component):
    """A unit whose ports are this component's, so its inputs are free in every cycle, its reset
    too. Subclasses say in `specify` what is assumed of them and what is asserted.

    In them ``self.unit`` is the unit, and inputs of ``free`` (name -> shape) are further free
    values.
    """

    def __init__(self, unit: Component, free: dict | None = None):
        self.unit = unit
        self._free = free or {}
        super().__init__(
            {"port": Out(unit.signature)} | {name: In(shape) for name, shape in self._free.items()}
        )

    def specify(self, m: Module, platform) -> None:
        raise NotImplementedError

    def elaborate(self, platform):
        m = Module()
        m.submodules.unit = self.unit
        connect(m, flipped(self.port), self.unit)
        self.specify(m, platform)
        return m


def constant(m: Module, value: Value, name: str) -> Signal:
    """A value that is any one, for all time: ``value``, a free input, as it was in the first
    cycle."""
    kept = Signal.like(value, name=f"{name}_kept", reset_less=True)
    known = Signal(name=f"{name}_known", reset_less=True)
    result = Signal.like(value, name=name)
    with m.If(known):
        m.d.comb += result.eq(kept)
    with m.Else():
        m.d.comb += result.eq(value)
    m.d.sync += [kept.eq(result), known.eq(1)]
    return result


def past(m: Module, value, name: str) -> Signal:
    """``value`` of the cycle before; 0 in the first cycle and after a reset."""
    value = Value.cast(value)
    register = Signal(value.shape(), name=f"past_{name}")
    m.d.sync += register.eq(value)
    return register


def stays(m: Module, stream, name: str):
    """That what a stream offers stays until it is taken: ``valid``, and the payload with it."""
    valid, payload = Value.cast(stream.valid), Value.cast(stream.payload)
    waiting = past(m, valid & ~Value.cast(stream.ready), f"{name}_waiting")
    return ~waiting | (valid & (payload == past(m, payload, f"{name}_payload")))


def offered(m: Module, stream, name: str) -> None:
    """Assume that the other side of an input stream keeps the rule."""
    m.d.comb += Assume(stays(m, stream, name))


def offers(m: Module, stream, name: str) -> None:
    """Assert that the unit keeps it on an output stream."""
    m.d.comb += Assert(stays(m, stream, name))
