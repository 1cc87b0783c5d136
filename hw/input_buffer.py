"""Input buffer: words in, unaligned vectors of ``rows`` bytes out."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from ..spec.config import Config
from .load import write_request

READ_LATENCY = 4


class InputBuffer(wiring.Component):
    """Two banks of words, even and odd, so that any ``rows`` consecutive bytes can be read.

    One write and one read a cycle. ``vector`` follows ``addr`` by READ_LATENCY cycles.

    Members
    -------
    write : In(stream of write_request)   always ready
    addr : In                             first byte
    en : In                               read this cycle
    vector : Out                          ``rows`` bytes, lowest address lowest
    """

    def __init__(self, config: Config):
        self._config = config
        super().__init__(
            {
                "write": In(stream.Signature(write_request(config), always_ready=True)),
                "addr": In(range(config.input_words * config.rows)),
                "en": In(1),
                "vector": Out(8 * config.rows),
            }
        )

    def elaborate(self, platform):
        m = Module()
        bits = 8 * self._config.rows
        depth = self._config.input_words // 2
        byte_bits = exact_log2(self._config.rows)

        word = self.addr[byte_bits:]
        bank_addrs = ((word + 1) >> 1, word >> 1)  # even bank, odd bank
        banks = []
        for i, bank_addr in enumerate(bank_addrs):
            memory = Memory(shape=bits, depth=depth, init=[])
            m.submodules[("even", "odd")[i]] = memory
            write, read = memory.write_port(), memory.read_port()
            w = self.write.payload
            # Cycle 1: memory read.
            m.d.comb += [
                write.en.eq(self.write.valid & (w.addr[0] == i)),
                write.addr.eq(w.addr[1:]),
                write.data.eq(w.word),
                read.en.eq(self.en),
                read.addr.eq(bank_addr[: exact_log2(depth)]),
            ]
            # Cycle 2: output register.
            output = Signal(bits, name=f"output{i}", reset_less=True)
            m.d.sync += output.eq(read.data)
            banks.append(output)
        odd = Signal(3)
        offset = [Signal(byte_bits, name=f"offset{i}") for i in range(3)]
        m.d.sync += [
            odd.eq(Cat(word[0], odd)),
            offset[0].eq(self.addr), offset[1].eq(offset[0]), offset[2].eq(offset[1]),
        ]  # fmt: skip
        # Cycle 3: order the two words. Cycle 4: shift by bytes.
        low, high = Signal(bits, reset_less=True), Signal(bits, reset_less=True)
        m.d.sync += [
            low.eq(Mux(odd[1], banks[1], banks[0])),
            high.eq(Mux(odd[1], banks[0], banks[1])),
        ]
        with m.Switch(offset[2]):
            for k in range(self._config.rows):
                with m.Case(k):
                    m.d.sync += self.vector.eq(Cat(low[8 * k :], high[: 8 * k]))
        return m
