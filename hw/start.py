"""Start sequencer: resets the core, lets it begin, and knows whether a program is active."""

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

START_CYCLES = 3  # from a start to the core's: the reset's register, its copies, then it begins
SETTLING_CYCLES = 2  # from the end of a reset until the units have seen it


class StartSequencer(wiring.Component):
    """A start resets the core, which begins START_CYCLES later. It is taken only while, and since
    the cycle before, no transaction is in flight and no program is active.

    Members
    -------
    request : In       pulse: a start is wanted
    quiet : In         no memory transaction in flight
    finished : In      the program is complete
    error : In         the core shows an error, perhaps still the one of the program before
    reset : Out        of the core, a register; set after configuration and a reset
    start : Out        pulse: the core begins
    settling : Out     the units have not yet seen a reset
    active, done, failed : Out   a program runs or its last transactions do; it is complete; it
                                 stopped with an error
    """

    request: In(1)
    quiet: In(1)
    finished: In(1)
    error: In(1)
    reset: Out(1, init=1)
    start: Out(1)
    settling: Out(1)
    active: Out(1)
    done: Out(1)
    failed: Out(1)

    def elaborate(self, platform):
        m = Module()
        settling = Signal(SETTLING_CYCLES, init=~0)
        taken, starting = Signal(), Signal(START_CYCLES)
        m.d.sync += [
            settling.eq(settling << 1),
            starting.eq(Cat(taken, starting)),
            self.reset.eq(taken),
        ]
        # Registers: what they lead to lies in several places.
        under_way, unsettled = Signal(), Signal(init=1)
        m.d.sync += [
            under_way.eq(taken | starting[:-1].any()),
            unsettled.eq(self.settling),
        ]
        # A start changes all that this is made of before the next one can come.
        able = Signal()
        m.d.sync += able.eq(self.quiet & ~self.active & ~taken & ~under_way & ~self.settling)
        m.d.comb += [
            self.settling.eq(settling.any()),
            taken.eq(self.request & able),
            self.start.eq(starting[-1]),
            # The error of the program before is there until the core's reset has reached it.
            self.failed.eq(self.error & ~under_way),
        ]
        with m.If(self.finished):
            m.d.sync += [self.done.eq(1), self.active.eq(0)]
        with m.If(self.failed & self.quiet):
            m.d.sync += self.active.eq(0)
        with m.If(under_way):
            m.d.sync += [self.done.eq(0), self.active.eq(1)]
        with m.If(unsettled):  # of what the units still hand on
            m.d.sync += [self.done.eq(0), self.active.eq(0)]
        return m
