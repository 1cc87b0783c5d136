"""Input buffer: words in, unaligned vectors of ``rows`` bytes out."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from ..spec.config import Config
from . import memory
from .common import copies, delay
from .layouts import word_write
from .memory import Ram

# Addresses, their copies, memory, order, shift.
READ_LATENCY = 2 + memory.READ_LATENCY + 2
# A bank is cut into so many memories side by side, each with its own copy of the address: the
# blocks of a large buffer lie far apart.
PARTS = 4


class InputBuffer(wiring.Component):
    """Two banks of words, even and odd, so that any ``rows`` consecutive bytes can be read.

    One write and one read a cycle. ``vector`` follows ``addr`` by READ_LATENCY cycles. A word can
    be read from 2 cycles after its write on.

    Members
    -------
    write : In(stream of word_write)   always ready
    addr : In                             first byte
    vector : Out                          ``rows`` bytes, lowest address lowest
    """

    def __init__(self, config: Config):
        self._config = config
        super().__init__(
            {
                "write": In(
                    stream.Signature(word_write(config, config.input_words), always_ready=True)
                ),
                "addr": In(range(config.input_words * config.rows)),
                "vector": Out(8 * config.rows),
            }
        )

    def elaborate(self, platform):
        m = Module()
        bits = 8 * self._config.rows
        depth = self._config.input_words // 2
        byte_bits = exact_log2(self._config.rows)

        # Cycle 1: addresses.
        word = self.addr[byte_bits:]
        bank_addrs = ((word + 1) >> 1, word >> 1)  # even bank, odd bank
        write = delay(m, self.write.payload, 1, "write", reset_less=True)
        write_word = delay(m, write.word, 1, "write_word", reset_less=True)
        banks = []
        for i, bank_addr in enumerate(bank_addrs):
            address = Signal(exact_log2(depth), name=f"address{i}", reset_less=True)
            write_en = Signal(name=f"write_en{i}")
            m.d.sync += [
                address.eq(bank_addr),
                write_en.eq(self.write.valid & (self.write.payload.addr[0] == i)),
            ]
            # Cycle 2: copies. Cycles 3 and 4: memory.
            accesses = Cat(address, write.addr[1:], write_en)
            parts = []
            for k, access in enumerate(copies(m, platform, accesses, PARTS, f"access{i}")):
                m.submodules[f"{('even', 'odd')[i]}{k}"] = part = Ram(bits // PARTS, depth)
                m.d.comb += [
                    Cat(part.read_addr, part.write_addr, part.write_en).eq(access),
                    part.write_data.eq(write_word.word_select(k, bits // PARTS)),
                ]
                parts.append(part.read_data)
            banks.append(Cat(parts))
        # Cycle 5: order the two words. Cycle 6: shift by bytes.
        # Each byte has its own copies of what says where it comes from.
        rows = self._config.rows
        odd = delay(m, word[0], READ_LATENCY - 3, "odd", reset_less=True)
        offset = delay(m, self.addr[:byte_bits], READ_LATENCY - 2, "offset", reset_less=True)
        odds = copies(m, platform, odd, rows, "odd")
        offsets = copies(m, platform, offset, rows, "offset")
        low, high, vector = (
            Signal(bits, name=n, reset_less=True) for n in ("low", "high", "vector")
        )
        for i in range(rows):
            even_byte, odd_byte = (bank.word_select(i, 8) for bank in banks)
            m.d.sync += [
                low.word_select(i, 8).eq(Mux(odds[i], odd_byte, even_byte)),
                high.word_select(i, 8).eq(Mux(odds[i], even_byte, odd_byte)),
                vector.word_select(i, 8).eq(Cat(low, high)[8 * i :].word_select(offsets[i], 8)[:8]),
            ]
        m.d.comb += self.vector.eq(vector)
        return m
