"""Serial bridge: CRC-checked frames from a UART to single accesses on the SoC's Wishbone bus."""

from litex.gen import LiteXModule
from litex.soc.cores.uart import RS232PHY
from litex.soc.interconnect import wishbone
from migen import READ_FIRST, Array, Cat, If, Memory, Mux, Signal
from migen.genlib.fsm import FSM, NextState, NextValue

from resarray.fpga import protocol
from resarray.fpga.protocol import Operation, Status


def crc32_step(crc, byte):
    """The CRC-32 register after one more byte, as an expression."""
    bits = [crc[i] for i in range(32)]
    for i in range(8):
        feedback = bits[0] ^ byte[i]
        bits = bits[1:] + [0]
        for tap in range(32):
            if protocol.CRC_POLYNOMIAL >> tap & 1:
                bits[tap] = bits[tap] ^ feedback
    return Cat(*bits)


class SerialBridge(LiteXModule):
    """Executes the requests of `resarray.fpga.protocol`, one at a time.

    A request's data waits in a buffer until its CRC is right, so a damaged write changes nothing; a
    read is collected in the same buffer before its reply begins. Bytes that come while a request is
    being executed or answered are dropped.

    pads:       ``tx`` and ``rx``
    clk_freq:   Hz of the sys domain
    baud:       bits a second, at most a quarter of ``clk_freq``
    gap_cycles: a frame with a longer pause inside is forgotten

    Members
    -------
    bus      Wishbone master, 32 bits, word addresses
    nobody   In: the answer on the bus is the interconnect's own, since no slave gave one
    """

    def __init__(self, pads, clk_freq: float, baud: float, gap_cycles: int):
        self.bus = bus = wishbone.Interface(data_width=32, address_width=32, addressing="word")
        self.nobody = Signal()
        self.phy = phy = RS232PHY(pads, clk_freq, baud)

        memory = Memory(32, protocol.MAX_WORDS)
        write_port = memory.get_port(write_capable=True, mode=READ_FIRST)
        read_port = memory.get_port(mode=READ_FIRST)
        self.specials += memory, write_port, read_port

        header = Signal(8 * protocol.HEADER.size)
        tag, operation = header[0:8], header[8:16]
        count, address = header[16:32], header[32:64]
        word = Signal(32)
        index = Signal(max=protocol.MAX_WORDS + 1)  # word of the buffer
        lane = Signal(4)  # byte of what is being received or sent
        crc = Signal(32)
        status = Signal(8)
        reply_words = Signal.like(index)

        # A byte is taken from or given to the UART, and counted into the CRC.
        received, sent = Signal(), Signal()
        self.comb += [
            phy.source.ready.eq(1),
            received.eq(phy.source.valid),
            sent.eq(phy.sink.valid & phy.sink.ready),
            read_port.adr.eq(index),
        ]
        byte = Signal(8)
        self.comb += byte.eq(Mux(phy.sink.valid, phy.sink.data, phy.source.data))
        last_of_word = lane == 3
        last_word = index + 1 == count

        gap = Signal(max=gap_cycles + 1)
        receiving, lost = Signal(), Signal()
        self.comb += lost.eq(gap == gap_cycles)
        crc_clear, crc_freeze = Signal(), Signal()
        self.sync += [
            If(received | ~receiving, gap.eq(0)).Elif(~lost, gap.eq(gap + 1)),
            If(crc_clear, crc.eq(2**32 - 1)).Elif(
                (received | sent) & ~crc_freeze, crc.eq(crc32_step(crc, byte))
            ),
        ]

        self.fsm = fsm = FSM(reset_state="SYNC")
        fsm.act(
            "SYNC",
            NextValue(lane, 0),
            NextValue(index, 0),
            crc_clear.eq(1),
            If(received & (phy.source.data == protocol.SYNC), NextState("HEADER")),
        )
        fsm.act(
            "HEADER",
            receiving.eq(1),
            If(
                received,
                NextValue(header, Cat(header[8:], phy.source.data)),
                NextValue(lane, lane + 1),
                If(
                    lane == protocol.HEADER.size - 1,
                    NextValue(lane, 0),
                    # The header still has one byte to shift.
                    If(header[16:24] == Operation.WRITE, NextState("DATA")).Else(NextState("CRC")),
                ),
            ),
            If(lost, NextState("SYNC")),
        )
        self.comb += write_port.adr.eq(index)
        fsm.act(
            "DATA",
            receiving.eq(1),
            write_port.dat_w.eq(Cat(word[8:], phy.source.data)),
            write_port.we.eq(received & last_of_word),
            If(
                received,
                NextValue(word, Cat(word[8:], phy.source.data)),
                NextValue(lane, lane + 1),
                If(
                    last_of_word,
                    NextValue(lane, 0),
                    NextValue(index, index + 1),
                    # A damaged count ends here too, and fails the CRC.
                    If(last_word | (index == protocol.MAX_WORDS - 1), NextState("CRC")),
                ),
            ),
            If(lost, NextState("SYNC")),
        )
        fsm.act(
            "CRC",
            receiving.eq(1),
            If(
                received,
                NextValue(lane, lane + 1),
                If(last_of_word, NextState("CHECK")),
            ),
            If(lost, NextState("SYNC")),
        )
        fsm.act(
            "CHECK",
            NextValue(lane, 0),
            NextValue(index, 0),
            NextValue(reply_words, 0),
            If(
                (crc != protocol.CRC_RESIDUE) | (count == 0) | (count > protocol.MAX_WORDS),
                NextValue(status, Status.BAD_CRC),
                NextState("REPLY"),
            ).Else(
                NextValue(status, Status.OK),
                NextState("FETCH"),
            ),
        )
        # The buffer's word, and then its register: from the buffer's block on it is too long a way,
        # to the memory's pins as to the CRC.
        fetched = Signal(32)
        self.sync += fetched.eq(read_port.dat_r)
        fsm.act("FETCH", NextState("FETCHED"))
        fsm.act("FETCHED", NextState("ACCESS"))
        self.comb += [
            bus.adr.eq(address[2:] + index),
            bus.dat_w.eq(fetched),
            bus.sel.eq(0b1111),
            bus.we.eq(operation == Operation.WRITE),
        ]
        fsm.act(
            "ACCESS",
            bus.cyc.eq(1),
            bus.stb.eq(1),
            write_port.dat_w.eq(bus.dat_r),
            write_port.we.eq(bus.ack & ~bus.we),
            If(
                bus.err | self.nobody,
                NextValue(status, Status.BUS_ERROR),
                NextValue(index, 0),
                NextState("REPLY"),
            ).Elif(
                bus.ack,
                NextValue(index, index + 1),
                NextState("FETCH"),
                If(
                    last_word,
                    NextValue(index, 0),
                    If(~bus.we, NextValue(reply_words, count)),
                    NextState("REPLY"),
                ),
            ),
        )
        fsm.act(
            "REPLY",
            phy.sink.valid.eq(1),
            phy.sink.data.eq(Array([protocol.SYNC, tag, status])[lane[:2]]),
            crc_clear.eq(lane == 0),
            If(
                sent,
                NextValue(lane, lane + 1),
                If(
                    lane == 2,
                    NextValue(lane, 0),
                    If(reply_words == 0, NextState("REPLY-CRC")).Else(NextState("REPLY-FETCH")),
                ),
            ),
        )
        fsm.act("REPLY-FETCH", NextState("REPLY-FETCHED"))
        fsm.act("REPLY-FETCHED", NextState("REPLY-DATA"))
        data = Array([fetched[8 * i : 8 * i + 8] for i in range(4)])
        check = Array([~crc[8 * i : 8 * i + 8] for i in range(4)])
        fsm.act(
            "REPLY-DATA",
            phy.sink.valid.eq(1),
            phy.sink.data.eq(data[lane[:2]]),
            If(
                sent,
                NextValue(lane, lane + 1),
                If(
                    last_of_word,
                    NextValue(lane, 0),
                    NextValue(index, index + 1),
                    If(last_word, NextState("REPLY-CRC")).Else(NextState("REPLY-FETCH")),
                ),
            ),
        )
        fsm.act(
            "REPLY-CRC",
            crc_freeze.eq(1),
            phy.sink.valid.eq(1),
            phy.sink.data.eq(check[lane[:2]]),
            If(sent, NextValue(lane, lane + 1), If(last_of_word, NextState("SYNC"))),
        )
