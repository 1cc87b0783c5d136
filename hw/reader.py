"""Memory read channel of one engine: patterns in, a stream of words out."""

from amaranth.hdl import Cat, Module, Signal, signed
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from ..spec.config import Config
from .bursts import BurstSplitter
from .common import add, copies, delay, less
from .layouts import BURST, PATTERN, beat
from .memory import Fifo


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
        m.submodules.fifo = fifo = Fifo(8 * self._config.rows, self._depth)
        connect(m, flipped(self.i), splitter.i)
        connect(m, fifo.o, flipped(self.o))

        # The next burst waits until there is room for it, which is known a cycle later.
        free = Signal(range(self._depth + 1), init=self._depth)
        burst = Signal(BURST, reset_less=True)
        waiting, fits = Signal(), Signal()
        accepted, taken, freed = Signal(), Signal(), Signal()
        # The readers lie far apart.
        valid = delay(m, self.data.valid, 1, "valid")
        arrived = Cat(self.data.payload.last, self.data.payload.word)
        (arrived,) = copies(m, platform, arrived, 1, "arrived")
        last, word = arrived[0], arrived[1:]
        m.d.comb += [
            accepted.eq(fits & self.request.ready),
            splitter.o.ready.eq(~waiting),
            self.request.valid.eq(fits),
            self.request.payload.eq(burst),
            fifo.i.valid.eq(valid),
            fifo.i.payload.eq(word),
            self.finished.eq(valid & last),
            self.asking.eq(splitter.busy | waiting),
        ]
        m.d.sync += [
            self.ample.eq(free <= self._depth * 7 // 8),
            fits.eq(waiting & ~accepted & ~less(free, burst.beats)),
            # What takes the words and the counter lie apart: one register with each.
            taken.eq(fifo.o.valid & fifo.o.ready),
            freed.eq(taken),
        ]
        # Counted a cycle later; the next burst asks two later at the earliest.
        minus = Signal(signed(len(free)))
        m.d.sync += [minus.eq(0), free.eq(add(free, minus, freed))]
        with m.If(accepted):
            m.d.sync += minus.eq(-burst.beats)
        with m.If(~waiting):
            m.d.sync += [burst.eq(splitter.o.payload), waiting.eq(splitter.o.valid)]
        with m.Elif(accepted):
            m.d.sync += waiting.eq(0)
        return m
