"""LOAD engine: feature-map tiles from memory into the input buffer, padding written on the way."""

from amaranth.hdl import Module, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from ..spec.config import Config
from ..spec.isa import Engine
from .layouts import BURST, INSTRUCTIONS, beat, pattern_of
from .reader import Reader

FIFO_WORDS = 64  # covers the bursts in flight at one word a cycle; the buffer itself is the store


def write_request(config: Config) -> data.StructLayout:
    """One word for the input buffer."""
    return data.StructLayout({"addr": range(config.input_words), "word": 8 * config.rows})


class LoadEngine(wiring.Component):
    """Writes one word a cycle, padding included; reads for the next instruction begin while the
    current one is being written.

    Members
    -------
    i : In(stream of LOAD instructions)
    request, data : to the read arbiter
    write : Out(stream of write_request)  always taken
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
                "write": Out(stream.Signature(write_request(config), always_ready=True)),
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
        waiting = Signal(layout)
        waiting_valid = Signal()
        take = Signal()
        m.d.comb += [
            take.eq(self.i.valid & reader.i.ready & ~waiting_valid),
            self.i.ready.eq(reader.i.ready & ~waiting_valid),
            reader.i.valid.eq(self.i.valid & ~waiting_valid),
        ]
        for name, value in pattern_of(self.i.payload).items():
            m.d.comb += getattr(reader.i.payload, name).eq(value)
        with m.If(take):
            m.d.sync += [waiting.eq(self.i.payload), waiting_valid.eq(1)]

        active = Signal()
        blocks = Signal(10)
        addr = Signal(range(self._config.input_words))
        # Line and column in units of words; each runs through border, data, border.
        x, y = Signal(11), Signal(11)
        width, height = Signal(11), Signal(11)
        first_x, end_x, first_y, end_y = Signal(11), Signal(11), Signal(11), Signal(11)
        pad_value = Signal(8)

        is_data = (x >= first_x) & (x < end_x) & (y >= first_y) & (y < end_y)
        step = Signal()
        m.d.comb += [
            step.eq(active & (~is_data | reader.o.valid)),
            reader.o.ready.eq(active & is_data),
        ]
        end_of_line = x == width
        end_of_block = end_of_line & (y == height)
        end = Signal()
        m.d.comb += end.eq(step & end_of_block & (blocks == 1))
        m.d.sync += [
            self.write.valid.eq(step),
            self.write.payload.addr.eq(addr),
            self.done.eq(end),
        ]
        with m.If(is_data):
            m.d.sync += self.write.payload.word.eq(reader.o.payload)
        with m.Else():
            m.d.sync += self.write.payload.word.eq(pad_value.replicate(self._config.rows))
        with m.If(step):
            m.d.sync += [addr.eq(addr + 1), x.eq(x + 1)]
            with m.If(end_of_line):
                m.d.sync += [x.eq(0), y.eq(y + 1)]
            with m.If(end_of_block):
                m.d.sync += [y.eq(0), blocks.eq(blocks - 1)]

        with m.If(end):
            m.d.sync += active.eq(0)
        with m.If(waiting_valid & (~active | end)):
            w = waiting
            m.d.sync += [
                waiting_valid.eq(0), active.eq(1), blocks.eq(w.n_blocks), addr.eq(w.buf),
                x.eq(0), y.eq(0), pad_value.eq(w.pad_value),
                first_x.eq(w.left), end_x.eq(w.left + w.cols),
                width.eq(w.left + w.cols + w.right - 1),
                first_y.eq(w.top), end_y.eq(w.top + w.rows),
                height.eq(w.top + w.rows + w.bottom - 1),
            ]  # fmt: skip
        return m
