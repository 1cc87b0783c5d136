"""The accelerator's Verilog in LiteX: its ports as LiteX buses, in the bus's clock domain."""

from collections.abc import Iterator

from litedram.common import LiteDRAMNativePort
from litedram.frontend.axi import LiteDRAMAXI2Native
from litex.gen import LiteXModule
from litex.soc.interconnect import stream
from litex.soc.interconnect.axi import (
    AXIDownConverter,
    AXIInterface,
    AXILiteClockDomainCrossing,
    AXILiteInterface,
)
from litex.soc.interconnect.csr import CSRStatus
from migen import (
    Case,
    ClockDomainsRenamer,
    ClockSignal,
    If,
    Instance,
    ResetSignal,
    Signal,
    log2_int,
)
from migen.genlib.cdc import MultiReg

from resarray.spec.config import Config
from resarray.spec.registers import ADDRESS_BITS

# Fields of each channel; the first three come from the accelerator.
_AXI = {
    "aw": ("addr", "len", "size", "burst"),
    "w": ("data", "strb", "last"),
    "ar": ("addr", "len", "size", "burst"),
    "b": ("resp",),
    "r": ("data", "resp", "last"),
}
_AXI_LITE = {
    "aw": ("addr",),
    "w": ("data", "strb"),
    "ar": ("addr",),
    "b": ("resp",),
    "r": ("data", "resp"),
}
_REQUESTS = ("aw", "w", "ar")


def _ports(prefix: str, bus, channels: dict[str, tuple[str, ...]], master: bool) -> dict:
    """Ports of an `Instance` for ``bus``; ``master``: the instance makes the requests."""
    ports = {}
    for channel, fields in channels.items():
        endpoint = getattr(bus, channel)
        out, back = ("o", "i") if (channel in _REQUESTS) == master else ("i", "o")
        ports[f"{out}_{prefix}__{channel}valid"] = endpoint.valid
        ports[f"{back}_{prefix}__{channel}ready"] = endpoint.ready
        for field in fields:
            ports[f"{out}_{prefix}__{channel}{field}"] = getattr(endpoint, field)
    return ports


def _ends(
    master: AXIInterface, slave: AXIInterface
) -> Iterator[tuple[str, stream.Endpoint, stream.Endpoint]]:
    """Each channel with where it comes from and where it goes."""
    for channel in _AXI:
        ends = getattr(master, channel), getattr(slave, channel)
        yield channel, *(ends if channel in _REQUESTS else ends[::-1])


class AXIRegister(LiteXModule):
    """``master`` to ``slave``, both in domain ``domain``, with registers both ways in every
    channel: no handshake goes through within a cycle. One cycle more in each direction."""

    def __init__(self, master: AXIInterface, slave: AXIInterface, domain: str):
        for _, source, sink in _ends(master, slave):
            buffer = stream.Buffer(source.description, pipe_valid=True, pipe_ready=True)
            self.submodules += ClockDomainsRenamer(domain)(buffer)
            self.comb += [source.connect(buffer.sink), buffer.source.connect(sink)]


class AXICrossing(LiteXModule):
    """``master`` in domain ``cd_from`` to ``slave`` in ``cd_to``, one FIFO a channel."""

    def __init__(self, master: AXIInterface, slave: AXIInterface, cd_from: str, cd_to: str):
        for channel, source, sink in _ends(master, slave):
            domains = (cd_from, cd_to) if channel in _REQUESTS else (cd_to, cd_from)
            # Deep enough to hide the round trip of the pointers.
            crossing = stream.ClockDomainCrossing(source.description, *domains, depth=16)
            self.submodules += crossing
            self.comb += [source.connect(crossing.sink), crossing.source.connect(sink)]


class AXIWiden(LiteXModule):
    """Bursts of narrow beats on a wide bus: as many beats, each in its lane.

    A burst may begin and end anywhere, other than in LiteX's `AXIUpConverter`, which packs beats
    and so needs whole wide words. In order, without IDs; up to 16 bursts under way.
    """

    def __init__(self, master: AXIInterface, slave: AXIInterface):
        lanes = slave.data_width // master.data_width
        shift = log2_int(master.data_width // 8)
        strobes = master.data_width // 8

        def lane_of(ax, data) -> Signal:
            """Lane of each beat of ``data``, from the addresses on ``ax``; holds beats back until
            their address is known."""
            fifo = stream.SyncFIFO([("lane", log2_int(lanes))], 16)
            self.submodules += fifo
            beat = Signal(max=lanes)
            self.comb += [
                fifo.sink.lane.eq(ax.addr[shift:]),
                fifo.source.ready.eq(data.valid & data.ready & data.last),
            ]
            self.sync += If(
                data.valid & data.ready, If(data.last, beat.eq(0)).Else(beat.eq(beat + 1))
            )
            lane = Signal(max=lanes)
            self.comb += lane.eq(fifo.source.lane + beat)
            return fifo, lane

        for name in ("aw", "ar"):
            source, sink = getattr(master, name), getattr(slave, name)
            data = master.w if name == "aw" else master.r
            fifo, lane = lane_of(source, data)
            self.comb += [
                source.connect(sink, omit={"valid", "ready"}),
                sink.valid.eq(source.valid & fifo.sink.ready),
                source.ready.eq(sink.ready & fifo.sink.ready),
                fifo.sink.valid.eq(source.valid & sink.ready),
            ]
            if name == "aw":
                self.comb += [
                    slave.w.valid.eq(master.w.valid & fifo.source.valid),
                    master.w.ready.eq(slave.w.ready & fifo.source.valid),
                    slave.w.last.eq(master.w.last),
                    *(
                        slave.w.data[i * master.data_width : (i + 1) * master.data_width].eq(
                            master.w.data
                        )
                        for i in range(lanes)
                    ),
                    Case(
                        lane,
                        {
                            i: slave.w.strb[i * strobes : (i + 1) * strobes].eq(master.w.strb)
                            for i in range(lanes)
                        },
                    ),
                ]
            else:
                self.comb += [
                    slave.r.connect(master.r, omit={"data"}),
                    Case(
                        lane,
                        {
                            i: master.r.data.eq(
                                slave.r.data[i * master.data_width : (i + 1) * master.data_width]
                            )
                            for i in range(lanes)
                        },
                    ),
                ]
        self.comb += slave.b.connect(master.b)


class PortRegister(LiteXModule):
    """A port ``near`` whose commands go through a register, both ways, to LiteDRAM's ``port``.

    LiteDRAM's crossbar goes to the bank machines and back within a cycle. Data of writes waits for
    its command anyway.
    """

    def __init__(self, port: LiteDRAMNativePort):
        self.near = near = LiteDRAMNativePort("both", port.address_width, port.data_width)
        self.commands = stream.Buffer(port.cmd.description, pipe_valid=True, pipe_ready=True)
        self.comb += [
            near.cmd.connect(self.commands.sink),
            self.commands.source.connect(port.cmd),
            near.wdata.connect(port.wdata),
            port.rdata.connect(near.rdata),
        ]


class Accelerator(LiteXModule):
    """The accelerator in clock domain ``domain``, its buses in "sys".

    config: of the accelerator in the Verilog, module ``resarray``
    port:   LiteDRAM native port in "sys"
    base:   bus address of the memory

    Members
    -------
    bus   AXI-Lite slave for the registers, byte addresses from 0
    irq   level: done or error
    """

    def __init__(self, config: Config, port, base: int, domain: str = "sys"):
        width = 8 * config.rows
        memory = AXIInterface(data_width=width, address_width=32, id_width=1, clock_domain=domain)
        registers = AXILiteInterface(data_width=32, address_width=32, clock_domain=domain)
        interrupt = Signal()
        lite = _ports("s_axil", registers, _AXI_LITE, master=False)
        for channel in ("aw", "ar"):
            lite[f"i_s_axil__{channel}addr"] = getattr(registers, channel).addr[:ADDRESS_BITS]
        self.specials += Instance(
            "resarray",
            i_clk=ClockSignal(domain),
            i_rst=ResetSignal(domain),
            o_irq=interrupt,
            **_ports("m_axi", memory, _AXI, master=True),
            **lite,
        )

        # To the bus's clock.
        self.bus = bus = AXILiteInterface(data_width=32, address_width=32)
        self.registers_crossing = AXILiteClockDomainCrossing(bus, registers, "sys", domain)
        self.irq = Signal()
        # Else the accelerator's stores would wait, within a cycle, for what is behind the port.
        near = AXIInterface(data_width=width, address_width=32, id_width=1, clock_domain=domain)
        self.memory_register = AXIRegister(memory, near, domain)
        if domain == "sys":
            self.comb += self.irq.eq(interrupt)
        else:
            self.specials += MultiReg(interrupt, self.irq)
            far, near = near, AXIInterface(data_width=width, address_width=32, id_width=1)
            self.memory_crossing = AXICrossing(far, near, domain, "sys")

        # To the memory's width. The conversion is on the AXI side: LiteDRAM's own converters in
        # front of a native port take write data before its command, which its AXI front end does
        # not expect.
        if port.data_width == width:
            wide = near
        else:
            wide = AXIInterface(data_width=port.data_width, address_width=32, id_width=1)
            if port.data_width < width:
                beats = config.burst_words * (width // port.data_width)
                assert beats <= 256, f"bursts of {beats} beats: use a smaller burst_words"
                self.narrow = AXIDownConverter(near, wide)
            else:
                self.widen = AXIWiden(near, wide)
        self.port_register = PortRegister(port)
        self.frontend = LiteDRAMAXI2Native(
            wide, self.port_register.near, w_buffer_depth=32, r_buffer_depth=32, base_address=base
        )
        self.interrupt = CSRStatus(description="Level of the accelerator's interrupt.")
        self.comb += self.interrupt.status.eq(self.irq)
