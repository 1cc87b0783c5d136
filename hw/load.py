"""LOAD engine: feature-map tiles from memory into the input buffer, padding written on the way."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from ..spec.config import Config
from ..spec.isa import Engine
from .common import less
from .layouts import BURST, INSTRUCTIONS, beat, take_pattern, word_write
from .memory import Relay
from .reader import Reader

FIFO_WORDS = 64  # covers the bursts in flight at one word a cycle; the buffer itself is the store


class LoadEngine(wiring.Component):
    """Writes one word a cycle, padding included; reads for the next instruction begin while the
    current one is being written.

    Members
    -------
    i : In(stream of LOAD instructions)
    request, data : to the read arbiter
    write : Out(stream of word_write)  always taken
    done : Out                            pulse: an instruction is complete in the buffer
    asking : Out                          bursts are still to be asked for
    """

    def __init__(self, config: Config):
        self._config = config
        super().__init__(
            {
                "i": In(stream.Signature(INSTRUCTIONS[Engine.LOAD])),
                "request": Out(stream.Signature(BURST)),
                "data": In(stream.Signature(beat(config), always_ready=True)),
                "write": Out(
                    stream.Signature(word_write(config, config.input_words), always_ready=True)
                ),
                "done": Out(1),
                "asking": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.reader = reader = Reader(
            self._config, max(FIFO_WORDS * 2, 2 * self._config.burst_words)
        )
        m.d.comb += self.asking.eq(reader.asking)
        connect(m, flipped(self.data), reader.data)
        connect(m, reader.request, flipped(self.request))

        # An instruction goes to the reader and, at once or after the current one, to the placer.
        layout = INSTRUCTIONS[Engine.LOAD]
        waiting = Signal(layout, reset_less=True)
        waiting_valid = Signal()
        take = Signal()
        m.d.comb += [
            take.eq(self.i.valid & reader.i.ready & ~waiting_valid),
            self.i.ready.eq(reader.i.ready & ~waiting_valid),
            reader.i.valid.eq(self.i.valid & ~waiting_valid),
        ]
        m.d.comb += take_pattern(reader.i.payload, self.i.payload)
        with m.If(take):
            m.d.sync += [waiting.eq(self.i.payload), waiting_valid.eq(1)]

        # What is written where is prepared in two cycles, while the instruction before still runs.
        w = waiting
        prepared = Signal(2)
        start = Signal()
        m.d.sync += prepared.eq(Mux(start, 0, Cat(waiting_valid, prepared[0] & waiting_valid)))
        extent = len(w.rows) + 1  # bits of a line's or column's number, padding included
        names = ("first_x", "end_x", "total_x", "first_y", "end_y", "total_y")
        new = {n: Signal(extent, name=f"new_{n}", reset_less=True) for n in names}
        one_x, one_y, one_block = Signal(), Signal(), Signal()
        m.d.sync += [
            new["first_x"].eq(w.left),
            new["end_x"].eq(w.left + w.cols),
            new["total_x"].eq(w.left + w.cols + w.right),
            new["first_y"].eq(w.top),
            new["end_y"].eq(w.top + w.rows),
            new["total_y"].eq(w.top + w.rows + w.bottom),
            one_x.eq(new["total_x"] == 1),
            one_y.eq(new["total_y"] == 1),
            one_block.eq(w.n_blocks == 1),
        ]

        # Line and column are in units of words; each runs through border, data, border.
        go = Signal()
        active = Signal()
        now = {n: Signal(extent, name=n, reset_less=True) for n in names}
        now_one_x, now_one_y = Signal(), Signal()
        x, y, left_x, left_y = (
            Signal(extent, name=n, reset_less=True) for n in ("x", "y", "left_x", "left_y")
        )
        last_x, last_y, last_block = Signal(), Signal(), Signal()
        blocks = Signal.like(w.n_blocks, name="blocks")
        addr = Signal(range(self._config.input_words))
        pad_value = Signal.like(w.pad_value, name="pad_value")
        end = Signal()
        m.d.comb += [
            end.eq(last_x & last_y & last_block),
            start.eq(prepared[1] & ~active),
        ]
        with m.If(go & active):
            m.d.sync += [
                addr.eq(addr + 1),
                x.eq(x + 1),
                left_x.eq(left_x - 1),
                last_x.eq(left_x == 2),
            ]
            with m.If(last_x):
                m.d.sync += [
                    x.eq(0),
                    left_x.eq(now["total_x"]),
                    last_x.eq(now_one_x),
                    y.eq(y + 1),
                    left_y.eq(left_y - 1),
                    last_y.eq(left_y == 2),
                ]
                with m.If(last_y):
                    m.d.sync += [
                        y.eq(0),
                        left_y.eq(now["total_y"]),
                        last_y.eq(now_one_y),
                        blocks.eq(blocks - 1),
                        last_block.eq(blocks == 2),
                        active.eq(~last_block),
                    ]
        with m.If(start):
            m.d.sync += [
                waiting_valid.eq(0),
                active.eq(1),
                blocks.eq(w.n_blocks),
                addr.eq(w.buf),
                x.eq(0),
                y.eq(0),
                left_x.eq(new["total_x"]),
                left_y.eq(new["total_y"]),
                last_x.eq(one_x),
                last_y.eq(one_y),
                last_block.eq(one_block),
                now_one_x.eq(one_x),
                now_one_y.eq(one_y),
                pad_value.eq(w.pad_value),
            ]
            m.d.sync += [now[n].eq(new[n]) for n in names]

        # Cycle 1: where the word lies. The counters' way ends here: a relay keeps the reader's
        # handshake from them. Cycle 2: data or padding, and `fetched` or `filled` with it.
        place = data.StructLayout({"addr": range(self._config.input_words), "pad": 8, "end": 1})
        inside = (
            ~less(x, now["first_x"]),
            less(x, now["end_x"]),
            ~less(y, now["first_y"]),
            less(y, now["end_y"]),
        )
        m.submodules.relay = relay = Relay(place.size + len(inside))
        place1 = data.View(place, relay.o.payload[: place.size])
        data1 = relay.o.payload[place.size :].all()
        place2 = Signal(place, reset_less=True)
        from_memory = Signal(reset_less=True)
        fetched, filled = Signal(), Signal()
        ready = ~fetched | reader.o.valid
        m.d.comb += [
            go.eq(relay.i.ready),
            relay.i.valid.eq(active),
            relay.i.payload.eq(Cat(addr, pad_value, end, *inside)),
            relay.o.ready.eq(ready),
            reader.o.ready.eq(fetched),
        ]
        with m.If(ready):
            m.d.sync += [
                fetched.eq(relay.o.valid & data1),
                filled.eq(relay.o.valid & ~data1),
                from_memory.eq(data1),
                place2.eq(place1),
            ]

        # Cycle 3: written.
        step = filled | (fetched & reader.o.valid)
        m.d.sync += [
            self.write.valid.eq(step),
            self.write.payload.addr.eq(place2.addr),
            self.done.eq(step & place2.end),
            self.write.payload.word.eq(
                Mux(from_memory, reader.o.payload, place2.pad.replicate(self._config.rows))
            ),
        ]
        return m
