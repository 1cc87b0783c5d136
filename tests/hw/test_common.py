"""Small building blocks: comparisons and sums, over all their inputs."""

from itertools import product

import pytest
from amaranth.hdl import Module, Shape, Signal, signed, unsigned
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.sim import Simulator

from resarray.hw.common import add_where, less

pytestmark = pytest.mark.verifies("accelerator", by="unit")


class Compare(wiring.Component):
    def __init__(self, a: Shape, b: Shape):
        super().__init__({"a": In(a), "b": In(b), "o": Out(1)})

    def elaborate(self, platform):
        m = Module()
        m.d.comb += self.o.eq(less(self.a, self.b))
        return m


class Adder(wiring.Component):
    """A sum of ``bits`` bits, one term of which counts where ``enable`` is set."""

    def __init__(self, bits: int, addend_bits: int):
        term, addend = signed(bits), signed(addend_bits)
        super().__init__(
            {"enable": In(1), "augend": In(term), "addend": In(addend), "total": Out(term)}
        )

    def elaborate(self, platform):
        m = Module()
        total = add_where(m, platform, self.enable, self.augend, self.addend, "sum")
        m.d.comb += self.total.eq(total)
        return m


def numbers(value: Signal) -> range:
    bits, is_signed = value.shape().width, value.shape().signed
    return range(-1 << bits - 1, 1 << bits - 1) if is_signed else range(1 << bits)


def evaluate(dut, names: tuple[str, ...], output: str, expected) -> None:
    inputs = [getattr(dut, name) for name in names]

    async def testbench(ctx):
        for values in product(*map(numbers, inputs)):
            for signal, value in zip(inputs, values, strict=True):
                ctx.set(signal, value)
            await ctx.delay(1e-9)
            assert ctx.get(getattr(dut, output)) == expected(*values), values

    sim = Simulator(dut)
    sim.add_testbench(testbench)
    sim.run()


@pytest.mark.parametrize(
    "a, b",
    [
        (unsigned(4), unsigned(4)),
        (unsigned(3), unsigned(5)),
        (unsigned(5), unsigned(3)),
        (signed(4), signed(4)),
        (signed(5), signed(3)),
        (signed(4), unsigned(4)),
        (unsigned(3), signed(5)),
    ],
    ids=str,
)
def test_less_is_the_sign_of_a_difference(a, b):
    evaluate(Compare(a, b), ("a", "b"), "o", lambda x, y: x < y)


def test_a_term_counts_where_its_bit_is_set():
    def expected(enable, a, b):
        return (b + a * enable + 16) % 32 - 16

    evaluate(Adder(5, 3), ("enable", "augend", "addend"), "total", expected)
