"""Error latch: the first fault stays."""

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from .layouts import ERROR


class ErrorLatch(wiring.Component):
    """Keeps the first fault until the reset; of several in the same cycle the last one's.

    Members
    -------
    fault[i] : In(stream of ERROR)   from each source, always taken
    failed : Out                     there was one, 2 cycles later
    error : Out(ERROR)               which; 0, `ErrorCause.NONE`, before
    """

    def __init__(self, sources: int):
        faults = stream.Signature(ERROR, always_ready=True)
        super().__init__(
            {"fault": In(faults).array(sources), "failed": Out(1), "error": Out(ERROR)}
        )

    def elaborate(self, platform):
        m = Module()
        caught, error = Signal(), Signal(ERROR, reset_less=True)
        m.d.sync += caught.eq(Cat(fault.valid for fault in self.fault).any())
        for fault in self.fault:
            with m.If(fault.valid):
                m.d.sync += error.eq(fault.payload)
        with m.If(caught & ~self.failed):
            m.d.sync += [self.failed.eq(1), self.error.eq(error)]
        return m
