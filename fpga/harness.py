"""Harness for out-of-context synthesis: every pin of a unit behind registers, none outside."""

from amaranth.back import verilog
from amaranth.hdl import Cat, Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from resarray.hw.top import Accelerator
from resarray.hw.verilog import platform_of
from resarray.spec.config import Config

TOP = "harness"
FAN_IN = 4  # one LUT


class Harness(wiring.Component):
    """``dut`` with two data pins, so that a unit with hundreds of ports can be routed alone.

    A shift register drives the inputs; a tree of registered XORs takes the outputs. Neither has a
    path that is longer than one LUT, and neither is reset, so that the slowest path is the unit's.

    Members
    -------
    serial_in : In    shifted through all inputs
    serial_out : Out  depends on every output
    """

    serial_in: In(1)
    serial_out: Out(1)

    def __init__(self, dut: wiring.Component):
        self._dut = dut
        super().__init__()

    def elaborate(self, platform):
        m = Module()
        m.submodules.dut = self._dut
        inputs, outputs = [], []
        for _, member, value in self._dut.signature.flatten(self._dut):
            (inputs if member.flow == In else outputs).append(Value.cast(value))
        # The reset comes from a register too.
        chain = Signal(len(Cat(*inputs)), reset_less=True)
        m.d.sync += chain.eq(Cat(self.serial_in, chain))
        m.d.comb += Cat(*inputs).eq(chain)
        level, bits = 0, Cat(*outputs)
        while len(bits) > 1 or level == 0:
            groups = [bits[i : i + FAN_IN] for i in range(0, len(bits), FAN_IN)]
            register = Signal(len(groups), name=f"tree{level}", reset_less=True)
            # The first level only takes the outputs over, without logic.
            if level == 0:
                register = Signal(len(bits), name="tree0", reset_less=True)
                m.d.sync += register.eq(bits)
            else:
                m.d.sync += register.eq(Cat(group.xor() for group in groups))
            level, bits = level + 1, register
        m.d.comb += self.serial_out.eq(bits)
        return m


def generate(config: Config) -> str:
    """Verilog of the accelerator for ``config`` in a harness; the top module is called `TOP`."""
    return verilog.convert(
        Harness(Accelerator(config)),
        name=TOP,
        platform=platform_of("ecp5"),
        strip_internal_attrs=True,
    )
