"""AXI4-Lite register file: settings in, status out. The map is `resarray.spec.registers`."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..spec import registers
from ..spec.config import Config
from .axi import AXI4Lite

_SETTINGS = [r.name for r in registers.REGISTERS.values() if r.access == "rw"]
_STATUS = [
    r.name for r in registers.REGISTERS.values()
    if r.access == "ro" and r.name not in ("ID", "VERSION", "HASH_LO", "HASH_HI")
]  # fmt: skip
RECORD_WORDS = len(registers.PROFILE_FIELDS)


class RegisterFile(wiring.Component):
    """One access at a time, 3 cycles each. Unknown addresses read as 0 and ignore writes.

    Members
    -------
    bus : In(AXI4Lite)
    start : Out             pulse: CTRL bit 0 was written with 1
    SETTING : Out(32)       one per "rw" register, by its name in lower case
    STATUS : In(32)         one per "ro" register that changes
    profile_addr : Out, profile_data : In(32)   the profile memory, data 1 cycle later
    """

    def __init__(self, config: Config):
        self._config = config
        super().__init__(
            {
                "bus": In(AXI4Lite(registers.ADDRESS_BITS)),
                "start": Out(1),
                **{name.lower(): Out(32) for name in _SETTINGS},
                **{name.lower(): In(32) for name in _STATUS},
                "profile_addr": Out(range(config.profile_marks * RECORD_WORDS)),
                "profile_data": In(32),
            }
        )

    def elaborate(self, platform):
        m = Module()
        bus = self.bus
        regs = registers.REGISTERS

        # Writes: address and data are taken together.
        write = Signal()
        m.d.comb += [
            write.eq(bus.awvalid & bus.wvalid & ~bus.bvalid),
            bus.awready.eq(write),
            bus.wready.eq(write),
        ]
        with m.If(write):
            m.d.sync += bus.bvalid.eq(1)
        with m.Elif(bus.bready):
            m.d.sync += bus.bvalid.eq(0)
        m.d.sync += self.start.eq(
            write & (bus.awaddr == regs["CTRL"].offset) & bus.wdata[0] & bus.wstrb[0]
        )
        for name in _SETTINGS:
            setting = getattr(self, name.lower())
            with m.If(write & (bus.awaddr == regs[name].offset)):
                for i in range(4):
                    with m.If(bus.wstrb[i]):
                        m.d.sync += setting[8 * i : 8 * i + 8].eq(bus.wdata[8 * i : 8 * i + 8])

        # Reads: cycle 0 takes the address, cycle 1 selects, cycle 2 answers.
        addr = Signal(registers.ADDRESS_BITS)
        selecting = Signal()
        m.d.comb += [
            bus.arready.eq(~selecting & ~bus.rvalid),
            self.profile_addr.eq(bus.araddr[2:]),
        ]
        with m.If(bus.arvalid & bus.arready):
            m.d.sync += [addr.eq(bus.araddr), selecting.eq(1)]
        value = Signal(32)
        constants = {
            "ID": registers.ID, "VERSION": registers.VERSION,
            "HASH_LO": self._config.hash & 0xFFFFFFFF, "HASH_HI": self._config.hash >> 32,
        }  # fmt: skip
        with m.Switch(addr):
            for name, register in regs.items():
                if register.access != "wo":
                    with m.Case(register.offset):
                        m.d.comb += value.eq(
                            constants[name] if name in constants else getattr(self, name.lower())
                        )
        with m.If(selecting):
            m.d.sync += [
                selecting.eq(0), bus.rvalid.eq(1),
                bus.rdata.eq(Mux(addr >= registers.PROFILE_OFFSET, self.profile_data, value)),
            ]  # fmt: skip
        with m.Elif(bus.rready):
            m.d.sync += bus.rvalid.eq(0)
        return m
