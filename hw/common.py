"""Small building blocks used by several units."""

from functools import reduce
from operator import or_

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed

from .ecp5 import adder, register
from .ecp5.platform import Ecp5


def delay(m: Module, value, cycles: int, name: str, *, reset_less: bool = False):
    """``value`` delayed by ``cycles`` registers. Keeps the shape, structures included."""
    for i in range(cycles):
        stage = Signal.like(value, name=f"{name}_d{i + 1}", reset_less=reset_less)
        m.d.sync += stage.eq(value)
        value = stage
    return value


def copies(m: Module, platform, value, count: int, name: str, *, init: int = 0) -> list[Signal]:
    """``value`` a cycle later in ``count`` registers, for logic in as many places: one register
    would drive it all across the device. Not reset; ``init`` after configuration."""
    value = Value.cast(value)
    registers = [
        Signal(value.shape(), name=f"{name}_copy{i}", init=init, reset_less=True)
        for i in range(count)
    ]
    for copy in registers:
        # Yosys would merge equal registers of its own making.
        if isinstance(platform, Ecp5):
            register.build(m, value, copy)
        else:
            m.d.sync += copy.eq(value)
    return registers


def signals(interface) -> dict[str, Signal]:
    """The ports of an interface that consists of plain signals, by name."""
    return {name: value for (name,), _, value in interface.signature.flatten(interface)}


def maximum(a: Value, b: Value) -> Value:
    """The larger of two values."""
    return Mux(less(b, a), a, b)


def less(a, b) -> Value:
    """``a`` < ``b`` as the sign of their difference, which is one carry chain. Yosys makes of some
    comparisons another one for equality, and LUTs behind both."""
    a, b = Value.cast(a), Value.cast(b)
    bits = max(len(a), len(b)) + (a.shape().signed != b.shape().signed)
    return (_extended(a, bits + 1) - _extended(b, bits + 1))[bits]


def selected(chosen, values: list, bits: int) -> Value:
    """That one of ``values`` (numbers) whose bit in ``chosen`` is set, 0 where none is: two levels
    of LUTs, where a chain of conditions would have one for each."""
    terms = [_extended(v, bits) & chosen[i].replicate(bits) for i, v in enumerate(values)]
    return reduce(or_, terms).as_signed()


def chosen_sum(m: Module, chosen, choices, bits: int, addend_bits: int, name) -> Signal:
    """``augend`` + ``addend``, or minus it, of ``bits`` bits, 2 cycles later: of that one of
    ``choices`` (augend, addend, whether minus) whose bit in ``chosen`` is set.

    Cycle 1: what is added, its complement to subtract it. Cycle 2: the sum.
    """
    augends, addends, minuses = zip(*choices, strict=True)
    augend, addend, total = (
        Signal(signed(width), name=f"{n}{name}", reset_less=True)
        for n, width in (("augend", bits), ("addend", addend_bits), ("total", bits))
    )
    minus = Signal(name=f"minus{name}", reset_less=True)
    addends = [~value if minus_ else value for value, minus_ in zip(addends, minuses, strict=True)]
    m.d.sync += [
        augend.eq(selected(chosen, augends, bits)),
        addend.eq(selected(chosen, addends, addend_bits)),
        minus.eq(selected(chosen, minuses, 1)),
        total.eq(add(augend, addend, minus)),
    ]
    return total


def _extended(value, bits: int) -> Value:
    found = Value.cast(value)
    return (found | Const(0, signed(bits)))[:bits]


def add(a: Value, b: Value, carry: Value) -> Value:
    """``a`` + ``b`` + the bit ``carry``, modulo the wider one's width: one carry chain."""
    bits = max(len(a), len(b))
    total = Cat(carry, _extended(a, bits)) + Cat(carry, _extended(b, bits))
    return total[1 : bits + 1].as_signed()


def add_where(m: Module, platform, enable, augend: Value, addend: Value, name: str) -> Signal:
    """``addend`` + ``augend`` where the bit ``enable`` is set, else ``addend``; as wide as
    ``augend`` and modulo that. One carry chain with nothing in front of it."""
    bits = len(augend)
    total = Signal(signed(bits), name=name)
    addend = _extended(addend, bits)
    if isinstance(platform, Ecp5):
        adder.build(m, enable, augend, addend, total)
    else:
        m.d.comb += total.eq((augend & enable.replicate(bits)) + addend)
    return total
