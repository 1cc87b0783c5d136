"""Harnesses that look into a unit; and units without feedback, whose outputs are a function of what
went in so many cycles before."""

import pkgutil
from collections.abc import Callable
from contextlib import ExitStack
from types import SimpleNamespace
from typing import Any
from unittest import mock

from amaranth.hdl import Assert, Assume, Module, Mux, Signal, Value
from amaranth.lib import memory
from amaranth.lib.wiring import Component

from resarray.hw.common import delay
from resarray.spec import numerics

from .harness import Harness


class Inside(Harness):
    """A harness that sees what is inside its unit, to assert of it what an induction needs.

    ``parts``: submodules that are left out, by the names under which the unit finds their classes
    ("resarray.hw.element.Multiplier"). What there is in their place drives nothing: ``self.parts``
    has it in the order in which the unit makes it, for `specify` to say what its inputs are and to
    drive its outputs.
    """

    views = 1

    def __init__(
        self,
        unit: Component,
        free: dict | None = None,
        parts: tuple[str, ...] = (),
        checks: bool = True,
    ):
        self.parts: list[Any] = []
        # ``views`` further read ports, without delay, of each memory.
        self.memories: list[Any] = []
        self._left_out = parts
        super().__init__(unit, free, checks)

    def elaborate(self, platform):
        with ExitStack() as patches:
            for name in self._left_out:
                patches.enter_context(mock.patch(name, self._part(pkgutil.resolve_name(name))))
            patches.enter_context(mock.patch.object(memory, "Memory", self._watched()))
            return super().elaborate(platform)

    def _part(self, original: Any) -> Callable:
        parts = self.parts
        if not isinstance(original, type):

            def part(m: Module, value, shift, name: str) -> Signal:
                result = Signal.like(value, name=f"{name}_result")
                parts.append(SimpleNamespace(value=value, shift=shift, result=result))
                return result

            return part

        class Part(original):
            def __init__(self, *args):
                super().__init__(*args)
                parts.append(self)

            def elaborate(self, platform):
                return Module()

        return Part

    def _watched(self) -> type:
        memories, views = self.memories, self.views

        class Watched(memory.Memory):
            def __init__(self, *args, **options):
                super().__init__(*args, **options)
                memories.extend(self.read_port(domain="comb") for _ in range(views))

        return Watched


class Pipeline(Inside):
    """A unit whose outputs are what `expected` makes of the inputs ``latency`` cycles earlier.

    No register holds a value for longer than the latency. So after ``latency`` cycles from any
    state whatever, reachable or not, all that is compared comes from inputs: induction by as many
    cycles closes, and is a proof for all time.
    """

    # Of the registers that are compared, some are reset: then nothing is compared until they have
    # been filled anew. Without any, the comparison holds from the start on.
    resets = True

    def __init__(
        self, unit: Component, latency: int, free: dict | None = None, parts: tuple[str, ...] = ()
    ):
        self.latency = latency
        super().__init__(unit, free, parts)

    def expected(self, m: Module) -> dict[str, Any]:
        """The value of each output, by its name, for the inputs of this cycle."""
        raise NotImplementedError

    def settled(self, m: Module, cycles: int) -> Signal:
        """That ``cycles`` cycles have gone by since the start or a reset."""
        age = Signal(range(cycles + 1), name=f"age{cycles}")
        done = Signal(name=f"settled{cycles}")
        m.d.comb += done.eq(age == cycles)
        with m.If(~done):
            m.d.sync += age.eq(age + 1)
        return done

    def specify(self, m: Module, platform) -> None:
        for name, value in self.expected(m).items():
            self.equal(m, getattr(self.unit, name), value, self.latency, name)

    def equal(self, m: Module, signal, value, cycles: int, name: str) -> None:
        """Assert that ``signal`` is ``value`` of ``cycles`` cycles ago."""
        after = delay(m, _registered(m, value, name), cycles, f"{name}_after", reset_less=True)
        holds = signal == after
        if self.resets:
            holds |= ~self.settled(m, cycles)
        m.d.comb += Assert(holds)

    def drive(self, m: Module, signal, value, cycles: int, name: str) -> None:
        """Let ``signal`` be ``value`` of ``cycles`` cycles ago."""
        m.d.comb += signal.eq(delay(m, value, cycles, name, reset_less=True))

    def constant(self, m: Module, *values) -> None:
        """Assume that ``values`` do not change but with a reset."""
        started = self.settled(m, 1)
        for i, value in enumerate(values):
            before = delay(m, value, 1, f"constant{len(self.parts)}_{i}", reset_less=True)
            m.d.comb += Assume(~started | (value == before))


def _registered(m: Module, value, name: str) -> Signal:
    value = Value.cast(value)
    signal = Signal(value.shape(), name=f"{name}_expected")
    m.d.comb += signal.eq(value)
    return signal


def history(m: Module, value, cycles: int, name: str) -> list:
    """``value`` now, a cycle ago, and so on."""
    found = [Value.cast(value)]
    for i in range(cycles):
        found.append(delay(m, found[-1], 1, f"{name}_{i}", reset_less=True))
    return found


def clamp(value, lo, hi) -> Value:
    """`numerics.clamp` of values of hardware."""
    least = Mux(value < hi, value, hi)
    return Mux(least > lo, least, lo)


def definition(function: Callable, *args):
    """A function of `numerics` on values of hardware, which are as wide as their operations need:
    the definition is the specification."""
    with mock.patch.object(numerics, "clamp", clamp):
        return function(*args)
