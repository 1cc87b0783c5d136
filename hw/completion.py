"""Completion: counts what the engines have done, and says when a program is over."""

from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..spec import isa
from ..spec.isa import Engine
from .common import delay


class Completion(wiring.Component):
    """A program runs from its start until all its instructions are sent and done, or an error.

    Members
    -------
    start : In          the program begins, in the next cycle
    failed : In         an error: the program does not go on
    sent : In           all its instructions are sent to the engines
    dispatched[e] : In  instructions sent to each engine
    completed : In      pulses, one for each engine: an instruction is done
    done[e] : Out       instructions done since the reset, 1 cycle later
    idle : Out          a bit for each engine: all that it was sent is done, 1 cycle later
    running : Out
    finished : Out      the program is complete, 1 cycle after all engines are idle
    """

    start: In(1)
    failed: In(1)
    sent: In(1)
    dispatched: In(isa.WAIT_BITS).array(len(Engine))
    completed: In(len(Engine))
    done: Out(isa.WAIT_BITS).array(len(Engine))
    idle: Out(len(Engine))
    running: Out(1)
    finished: Out(1)

    def elaborate(self, platform):
        m = Module()
        # The engines lie far apart.
        completed = delay(m, self.completed, 1, "completed")
        for e in Engine:
            m.d.sync += [
                self.done[e].eq(self.done[e] + completed[e]),
                self.idle[e].eq(self.done[e] == self.dispatched[e]),
            ]
        m.d.sync += self.finished.eq(self.running & self.sent & self.idle.all() & ~self.failed)
        with m.If(self.start):
            m.d.sync += self.running.eq(1)
        with m.If(self.finished | self.failed):
            m.d.sync += self.running.eq(0)
        return m
