"""Memory read channel of one engine: patterns in, a stream of words out."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.fifo import SyncFIFOBuffered
from amaranth.lib.wiring import In, Out, connect, flipped

from ..spec.config import Config
from .bursts import BurstSplitter
from .layouts import BURST, PATTERN, beat


class Reader(wiring.Component):
    """Reads patterns through a FIFO of ``depth`` words.

    A burst is asked for only once the FIFO has room for all of it, so read data is always taken at
    once and no reader can hold up another. Full rate: one word a cycle.

    Members
    -------
    i : In(stream of PATTERN)
    request : Out(stream of BURST)  to the arbiter
    data : In(stream of beats)      from the arbiter, always ready
    o : Out(stream of words)
    finished : Out                  pulse: the last word of a pattern has arrived
    asking : Out                    bursts of a pattern are still to be asked for
    ample : Out                     an eighth of the FIFO is filled or asked for
    """

    def __init__(self, config: Config, depth: int):
        self._config = config
        self._depth = depth
        super().__init__(
            {
                "i": In(stream.Signature(PATTERN)),
                "request": Out(stream.Signature(BURST)),
                "data": In(stream.Signature(beat(config), always_ready=True)),
                "o": Out(stream.Signature(8 * config.rows)),
                "finished": Out(1),
                "asking": Out(1),
                "ample": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.splitter = splitter = BurstSplitter(self._config)
        m.submodules.fifo = fifo = SyncFIFOBuffered(width=8 * self._config.rows, depth=self._depth)
        connect(m, flipped(self.i), splitter.i)

        free = Signal(range(self._depth + 1), init=self._depth)
        burst = splitter.o.payload
        fits = free >= burst.beats
        m.d.comb += [
            self.request.valid.eq(splitter.o.valid & fits),
            self.request.payload.eq(burst),
            splitter.o.ready.eq(self.request.ready & fits),
            fifo.w_en.eq(self.data.valid),
            fifo.w_data.eq(self.data.payload.word),
            self.finished.eq(self.data.valid & self.data.payload.last),
            self.o.valid.eq(fifo.r_rdy),
            self.o.payload.eq(fifo.r_data),
            fifo.r_en.eq(self.o.ready),
            self.asking.eq(splitter.busy),
        ]
        reserved = Mux(self.request.valid & self.request.ready, burst.beats, 0)
        m.d.sync += [
            free.eq(free - reserved + (self.o.valid & self.o.ready)),
            self.ample.eq(free <= self._depth * 7 // 8),
        ]
        return m
