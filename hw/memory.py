"""RAM with one write and one read port, the FIFO made of it, and a relay for what lies apart."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import memory, stream, wiring
from amaranth.lib.wiring import In, Out

from .common import delay
from .ecp5 import ram
from .ecp5.platform import Ecp5

READ_LATENCY = 2
# Up to here a memory is made of LUTs: a block RAM would be nearly empty.
DISTRIBUTED_DEPTH = 32
# Words that a FIFO reads ahead: enough for a word a cycle, from its credit to its credit again.
AHEAD_WORDS = 8


class Ram(wiring.Component):
    """``depth`` words of ``width`` bits, a write and a read a cycle.

    A word can be read from the cycle after its write on. Reading an address in the very cycle of
    its write gives an undefined word.

    Members
    -------
    write_en, write_addr, write_data : In
    read_addr : In
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
            read.addr.eq(self.read_addr),
        ]
        output = Signal(self.width, reset_less=True)
        m.d.sync += output.eq(read.data)
        m.d.comb += self.read_data.eq(output)
        return m


class Fifo(wiring.Component):
    """First in, first out: one word in and one out a cycle, 4 cycles from end to end.

    The RAM is read ahead without a pause into a few words of LUTs, where there is room for all that
    is on its way: the reader's ``ready`` moves a pointer there and reaches no block RAM.

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
        room = Signal(init=1)
        credit = Signal(range(AHEAD_WORDS + 1), init=AHEAD_WORDS)  # of the words read ahead
        allowed = Signal(init=1)
        arrived = delay(m, read, READ_LATENCY, "arrived")
        m.d.comb += [
            write.eq(self.i.valid),
            read.eq(some & allowed),
            taken.eq(self.o.valid & self.o.ready),
            store.write_en.eq(write),
            store.write_addr.eq(tail),
            store.write_data.eq(self.i.payload),
            store.read_addr.eq(head),
            self.i.ready.eq(room),
        ]
        # The reader's `ready` comes late: it only enables, behind the carry chains.
        for count, up, down in (
            (stored, write, read),
            (self.level, write, taken),
            (credit, taken, read),
        ):
            with m.If(up != down):
                m.d.sync += count.eq(Mux(up, count + 1, count - 1))
        with m.If(write | read):
            m.d.sync += some.eq(write | (stored != 1))
        m.d.sync += [
            room.eq(self.level < depth - 1),
            # One is enough when none is read now.
            allowed.eq((credit > 1) | ((credit == 1) & ~read)),
        ]
        with m.If(write):
            m.d.sync += tail.eq(tail + 1)
        with m.If(read):
            m.d.sync += head.eq(head + 1)

        m.submodules.ahead = ahead = memory.Memory(
            shape=self._width, depth=AHEAD_WORDS, init=[], attrs={"ram_style": "distributed"}
        )
        newest, oldest = Signal(range(AHEAD_WORDS)), Signal(range(AHEAD_WORDS))
        waiting = Signal(range(AHEAD_WORDS + 1))
        shown = Signal()  # waiting != 0
        put, get = ahead.write_port(), ahead.read_port(domain="comb")
        m.d.comb += [
            put.en.eq(arrived),
            put.addr.eq(newest),
            put.data.eq(store.read_data),
            get.addr.eq(oldest),
            # Icarus does not see what leaves a module as a register that never changes.
            self.o.valid.eq(shown),
            self.o.payload.eq(get.data),
        ]
        with m.If(arrived != taken):
            m.d.sync += waiting.eq(Mux(arrived, waiting + 1, waiting - 1))
        with m.If(arrived | taken):
            m.d.sync += shown.eq(arrived | (waiting != 1))
        with m.If(arrived):
            m.d.sync += newest.eq(newest + 1)
        with m.If(taken):
            m.d.sync += oldest.eq(oldest + 1)
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
        payload = Signal.like(self.i.payload, name="payload", reset_less=True)
        m.d.comb += [self.i.ready.eq(~spared), self.o.payload.eq(payload)]
        with m.If(~spared):
            m.d.sync += spare.eq(self.i.payload)
        with m.If(~self.o.valid | self.o.ready):
            m.d.sync += [
                self.o.valid.eq(self.i.valid | spared),
                spared.eq(0),
                payload.eq(Mux(spared, spare, self.i.payload)),
            ]
        with m.Elif(self.i.valid):
            m.d.sync += spared.eq(1)
        return m
