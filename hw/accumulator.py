"""Two ping-pong banks of 32-bit accumulators: one adds up while the other drains."""

from amaranth.hdl import Cat, Module, Mux, Signal, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from ..spec.config import Config
from ..spec.numerics import ACC_BITS
from .checks import check
from .common import add_where, copies, delay
from .layouts import pixel_control
from .memory import READ_LATENCY, Ram

# From a pixel's read address to the cycle in which its new sum can be read again. K-tiles are at
# least `columns` >= 4 cycles apart, so a pixel never returns sooner.
REUSE_CYCLES = 4
# The control of a pixel reaches its column this long before its dot product.
CONTROL_LEAD = READ_LATENCY


def drain_latency(config: Config) -> int:
    """Cycles from a drain's read request to its lanes: address, memory, a hop for each group."""
    return 1 + READ_LATENCY + config.column_groups


def drain_read(config: Config) -> data.StructLayout:
    """A read of ``lanes`` accumulators: columns group*lanes... of one pixel."""
    return data.StructLayout(
        {
            "valid": 1,
            "bank": 1,
            "group": range(config.column_groups),
            "pixel": range(config.acc_depth),
        }
    )


class AccumulatorColumn(wiring.Component):
    """The accumulators of one column.

    Members
    -------
    control : In(pixel_control)   CONTROL_LEAD cycles before ``dot``
    dot : In(signed)
    drain_pixel : In              read in a bank that is not being computed
    q[bank] : Out(signed)         drained value of each bank, READ_LATENCY cycles later
    """

    def __init__(self, config: Config):
        self._config = config
        super().__init__(
            {
                "control": In(pixel_control(config)),
                "dot": In(signed(config.dot_bits)),
                "drain_pixel": In(range(config.acc_depth)),
                "q": Out(signed(ACC_BITS)).array(2),
            }
        )

    def elaborate(self, platform):
        m = Module()
        control = self.control
        # Cycle 0: read address. Cycle 2: the old sum meets `dot`. Cycle 3: sum register and write.
        # Each bank has an adder, so that nothing chooses between memories in front of one.
        stage1 = delay(m, control, CONTROL_LEAD - 1, "read_control", reset_less=True)
        stage2 = delay(m, stage1, 1, "old_control", reset_less=True)
        stage3 = delay(m, stage2, 1, "sum_control", reset_less=True)
        goes_on = copies(m, platform, ~stage1.clear, 2, "goes_on")
        for bank in range(2):
            m.submodules[f"bank{bank}"] = memory = Ram(ACC_BITS, self._config.acc_depth)
            write = Signal(name=f"write{bank}", reset_less=True)
            m.d.sync += write.eq(stage2.valid & (stage2.bank == bank))
            total = Signal(signed(ACC_BITS), name=f"total{bank}", reset_less=True)
            added = add_where(
                m, platform, goes_on[bank], memory.read_data, self.dot, f"added{bank}"
            )
            m.d.sync += total.eq(added)
            # The drain never reads the bank that is being computed.
            computing = control.valid & (control.bank == bank)
            m.d.comb += [
                memory.write_en.eq(write),
                memory.write_addr.eq(stage3.pixel),
                memory.write_data.eq(total),
                memory.read_addr.eq(Mux(computing, control.pixel, self.drain_pixel)),
            ]
            m.d.comb += self.q[bank].eq(memory.read_data)
        for before in (stage1, stage2, stage3):
            same = before.valid & (before.bank == control.bank) & (before.pixel == control.pixel)
            check(
                m,
                platform,
                ~(control.valid & ~control.clear & same),
                "a pixel returns before its sum is written",
            )
        return m


class Accumulators(wiring.Component):
    """All columns' accumulators. A column's control and dot product come one cycle after its left
    neighbour's.

    Members
    -------
    control : In(pixel_control)   for column 0
    dot[c] : In(signed)           dot product of column c
    finished, mark : Out          pulses: the last pixel of an instruction (of a layer) is written
    read : In(drain_read)
    lanes : Out(lanes * signed)   `drain_latency` cycles after ``read``

    A drain's request hops from group to group, and so do the values, each group putting in its own
    when it is asked for: no multiplexer reaches across the array.
    """

    def __init__(self, config: Config):
        self._config = config
        super().__init__(
            {
                "control": In(pixel_control(config)),
                "dot": In(signed(config.dot_bits)).array(config.columns),
                "finished": Out(1),
                "mark": Out(1),
                "read": In(drain_read(config)),
                "lanes": Out(data.ArrayLayout(signed(ACC_BITS), config.lanes)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        config = self._config
        control = self.control
        read = self.read
        lanes = None
        for group in range(config.column_groups):
            # Cycle 1 + group: the request is here. Two cycles later: the memories' output.
            read = delay(m, read, 1, f"read{group}", reset_less=True)
            asked = Signal(name=f"asked{group}")
            m.d.comb += asked.eq(read.group == group)
            chosen = delay(
                m, Cat(asked, read.bank), READ_LATENCY - 1, f"chosen{group}", reset_less=True
            )
            chosen = copies(m, platform, chosen, config.lanes, f"lane_chosen{group}")
            passed = Signal.like(self.lanes, name=f"lanes{group}", reset_less=True)
            for lane in range(config.lanes):
                c = group * config.lanes + lane
                m.submodules[f"column{c}"] = column = AccumulatorColumn(config)
                m.d.comb += [
                    column.control.eq(control),
                    column.dot.eq(self.dot[c]),
                    column.drain_pixel.eq(read.pixel),
                ]
                control = delay(m, control, 1, f"control{c}", reset_less=True)
                value = Mux(chosen[lane][1], column.q[1], column.q[0])
                before = value if lanes is None else Mux(chosen[lane][0], value, lanes[lane])
                m.d.sync += passed[lane].eq(before)
            lanes = passed
        m.d.comb += self.lanes.eq(lanes)
        # The last column's sum is written CONTROL_LEAD + 1 cycles after its control. Reset with the
        # rest, so that no pixel of a program that was broken off is counted for the next one.
        ending = self.control.valid & self.control.end
        ends = delay(
            m, Cat(ending, ending & self.control.mark), config.columns + CONTROL_LEAD + 1, "ends"
        )
        m.d.comb += [self.finished.eq(ends[0]), self.mark.eq(ends[1])]
        return m
