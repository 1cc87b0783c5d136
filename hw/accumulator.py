"""Two ping-pong banks of 32-bit accumulators: one adds up while the other drains."""

from amaranth.hdl import Array, Module, Signal, signed
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from ..spec.config import Config
from .array import dot_bits
from .common import delay
from .layouts import pixel_control

ACC_BITS = 32
# From a pixel's read address to the cycle in which its new sum can be read again. K-tiles are at
# least `columns` >= 4 cycles apart, so a pixel never returns sooner.
REUSE_CYCLES = 4
# The control of a pixel reaches its column this long before its dot product.
CONTROL_LEAD = 2
# From a drain's read request to its lanes.
DRAIN_LATENCY = 4


def drain_read(config: Config) -> data.StructLayout:
    """A read of ``lanes`` accumulators: columns group*lanes... of one pixel."""
    return data.StructLayout({
        "valid": 1, "bank": 1, "group": range(config.column_groups),
        "pixel": range(config.acc_depth),
    })  # fmt: skip


class AccumulatorColumn(wiring.Component):
    """The accumulators of one column.

    Members
    -------
    control : In(pixel_control)   CONTROL_LEAD cycles before ``dot``
    dot : In(signed)
    drain_en : In(2)              read for the drain, per bank
    drain_pixel : In
    q0, q1 : Out(signed)          drained value of each bank, 2 cycles later
    """

    def __init__(self, config: Config):
        self._config = config
        super().__init__(
            {
                "control": In(pixel_control(config)),
                "dot": In(signed(dot_bits(config))),
                "drain_en": In(2),
                "drain_pixel": In(range(config.acc_depth)),
                "q0": Out(signed(ACC_BITS)),
                "q1": Out(signed(ACC_BITS)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        control = self.control
        # Cycle 0: read address. Cycle 1: read data. Cycle 2: output register, meets `dot`.
        # Cycle 3: sum register and write.
        stage2 = delay(m, control, CONTROL_LEAD, "control", reset_less=True)
        total = Signal(signed(ACC_BITS), reset_less=True)
        stage3 = delay(m, stage2, 1, "sum_control", reset_less=True)
        outputs = []
        for bank in range(2):
            memory = Memory(shape=signed(ACC_BITS), depth=self._config.acc_depth, init=[])
            m.submodules[f"bank{bank}"] = memory
            read, write = memory.read_port(), memory.write_port()
            computing = control.valid & (control.bank == bank)
            m.d.comb += [
                read.en.eq(computing | self.drain_en[bank]),
                write.en.eq(stage3.valid & (stage3.bank == bank)),
                write.addr.eq(stage3.pixel),
                write.data.eq(total),
            ]
            # The drain never reads the bank that is being computed.
            with m.If(computing):
                m.d.comb += read.addr.eq(control.pixel)
            with m.Else():
                m.d.comb += read.addr.eq(self.drain_pixel)
            output = getattr(self, f"q{bank}")
            m.d.sync += output.eq(read.data)
            outputs.append(output)
        with m.If(stage2.clear):
            m.d.sync += total.eq(self.dot)
        with m.Else():
            m.d.sync += total.eq(Array(outputs)[stage2.bank] + self.dot)
        return m


class Accumulators(wiring.Component):
    """All columns' accumulators. A column's control and dot product come one cycle after its left
    neighbour's.

    Members
    -------
    control : In(pixel_control)   for column 0
    dot0... : In(signed)
    finished, mark : Out          pulses: the last pixel of an instruction (of a layer) is written
    read : In(drain_read)
    lanes : Out(lanes * signed)   DRAIN_LATENCY cycles after ``read``
    """

    def __init__(self, config: Config):
        self._config = config
        super().__init__(
            {
                "control": In(pixel_control(config)),
                **{f"dot{c}": In(signed(dot_bits(config))) for c in range(config.columns)},
                "finished": Out(1),
                "mark": Out(1),
                "read": In(drain_read(config)),
                "lanes": Out(data.ArrayLayout(signed(ACC_BITS), config.lanes)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        config = self._config
        # Cycle 1: the drain's address, registered for its way to all columns.
        read = delay(m, self.read, 1, "read")
        control = self.control
        values = []
        for c in range(config.columns):
            m.submodules[f"column{c}"] = column = AccumulatorColumn(config)
            hit = read.valid & (read.group == c // config.lanes)
            m.d.comb += [
                column.control.eq(control),
                column.dot.eq(getattr(self, f"dot{c}")),
                column.drain_en.eq((hit & (read.bank == 0)) | ((hit & (read.bank == 1)) << 1)),
                column.drain_pixel.eq(read.pixel),
            ]
            values.append((column.q0, column.q1))
            control = delay(m, control, 1, f"control{c}")
        # Written CONTROL_LEAD + 1 cycles after the last column's control, which has hopped on.
        end = delay(m, control, CONTROL_LEAD + 1, "end")
        m.d.comb += [
            self.finished.eq(end.valid & end.end),
            self.mark.eq(end.valid & end.end & end.mark),
        ]
        # Cycle 2: memory. Cycle 3: output register. Cycle 4: the group's columns of the bank.
        chosen = delay(m, read, 2, "chosen")
        with m.Switch(chosen.group):
            for group in range(config.column_groups):
                with m.Case(group):
                    for lane in range(config.lanes):
                        q = values[group * config.lanes + lane]
                        m.d.sync += self.lanes[lane].eq(Array(q)[chosen.bank])
        return m
