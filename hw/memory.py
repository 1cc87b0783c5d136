"""RAM with one write and one read port, the FIFO made of it, and a relay for what lies apart."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import memory, stream, wiring
from amaranth.lib.wiring import In, Out

from .ecp5 import ram
from .ecp5.platform import Ecp5

READ_LATENCY = 2
# Up to here a memory is made of LUTs: a block RAM would be nearly empty.
DISTRIBUTED_DEPTH = 32


class Ram(wiring.Component):
    """``depth`` words of ``width`` bits, a write and a read a cycle.

    A word can be read from the cycle after its write on. Reading an address in the very cycle of
    its write gives an undefined word.

    Members
    -------
    write_en, write_addr, write_data : In
    read_addr : In
    read_en, out_en : In   the first and the second stage of the read go on; ``read_en`` must be
                           set where ``out_en`` is
    read_data : Out        READ_LATENCY cycles after ``read_addr``: RAM, then output register
    """

    def __init__(self, width: int, depth: int):
        self.width = width
        self.depth = depth
        super().__init__(
            {
                "write_en": In(1),
                "write_addr": In(range(depth)),
                "write_data": In(width),
                "read_addr": In(range(depth)),
                "read_en": In(1, init=1),
                "out_en": In(1, init=1),
                "read_data": Out(width),
            }
        )

    def elaborate(self, platform):
        m = Module()
        distributed = self.depth <= DISTRIBUTED_DEPTH
        if isinstance(platform, Ecp5) and not distributed:
            ram.build(m, self)
            return m
        m.submodules.memory = store = memory.Memory(
            shape=self.width,
            depth=self.depth,
            init=[],
            attrs={"ram_style": "distributed"} if distributed else {},
        )
        write, read = store.write_port(), store.read_port()
        m.d.comb += [
            write.en.eq(self.write_en),
            write.addr.eq(self.write_addr),
            write.data.eq(self.write_data),
            read.en.eq(self.read_en),
            read.addr.eq(self.read_addr),
        ]
        output = Signal(self.width, reset_less=True)
        with m.If(self.out_en):
            m.d.sync += output.eq(read.data)
        m.d.comb += self.read_data.eq(output)
        return m


class Fifo(wiring.Component):
    """First in, first out: one word in and one out a cycle, 3 cycles from end to end.

    Members
    -------
    i, o : stream of ``width``-bit words
        ``i.ready`` falls up to two words before the FIFO is full. A writer that knows by other
        means that there is room (at most ``depth`` words inside) need not look at it.
    level : Out   words inside, those about to leave included
    """

    def __init__(self, width: int, depth: int):
        self._width = width
        self._depth = depth
        super().__init__(
            {
                "i": In(stream.Signature(width)),
                "o": Out(stream.Signature(width)),
                "level": Out(range(depth + 1)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        depth = self._depth
        m.submodules.ram = store = Ram(self._width, depth)
        head, tail = Signal(range(depth)), Signal(range(depth))
        stored = Signal(range(depth + 1))  # words written and not yet being read
        some = Signal()  # stored != 0
        write, read, taken = Signal(), Signal(), Signal()
        first, second = Signal(), Signal()  # a word is in the RAM's read stages
        go_second, go_first = Signal(), Signal()
        room = Signal(init=1)
        m.d.comb += [
            go_second.eq(~second | self.o.ready),
            go_first.eq(~first | go_second),
            write.eq(self.i.valid),
            read.eq(some & go_first),
            taken.eq(second & self.o.ready),
            store.write_en.eq(write),
            store.write_addr.eq(tail),
            store.write_data.eq(self.i.payload),
            store.read_addr.eq(head),
            store.read_en.eq(go_first),
            store.out_en.eq(go_second),
            self.i.ready.eq(room),
            self.o.valid.eq(second),
            self.o.payload.eq(store.read_data),
        ]
        # The reader's `ready` comes late: it only enables, behind the carry chains.
        for count, out in ((stored, read), (self.level, taken)):
            with m.If(write != out):
                m.d.sync += count.eq(Mux(write, count + 1, count - 1))
        with m.If(write | read):
            m.d.sync += some.eq(write | (stored != 1))
        m.d.sync += room.eq(self.level < depth - 1)
        with m.If(write):
            m.d.sync += tail.eq(tail + 1)
        with m.If(read):
            m.d.sync += head.eq(head + 1)
        with m.If(go_second):
            m.d.sync += second.eq(first)
        with m.If(go_first):
            m.d.sync += first.eq(read)
        return m


class Relay(wiring.Component):
    """Two registers on the way of a stream: a word a cycle, one cycle later. Neither end's
    handshake depends on the other's in the same cycle.

    Members
    -------
    i, o : stream of ``width``-bit words
    """

    def __init__(self, width: int):
        super().__init__({"i": In(stream.Signature(width)), "o": Out(stream.Signature(width))})

    def elaborate(self, platform):
        m = Module()
        # A word that came while `o` was waiting.
        spare = Signal.like(self.i.payload, reset_less=True)
        spared = Signal()
        m.d.comb += self.i.ready.eq(~spared)
        with m.If(~spared):
            m.d.sync += spare.eq(self.i.payload)
        with m.If(~self.o.valid | self.o.ready):
            m.d.sync += [
                self.o.valid.eq(self.i.valid | spared),
                spared.eq(0),
                self.o.payload.eq(Mux(spared, spare, self.i.payload)),
            ]
        with m.Elif(self.i.valid):
            m.d.sync += spared.eq(1)
        return m
