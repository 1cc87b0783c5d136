"""AXI4-Lite register file: settings in, status out. The map is `resarray.spec.registers`."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..spec import registers
from ..spec.config import Config
from .axi import AXI4Lite
from .common import copies, delay, signals
from .status import SETTINGS, STATUS, status_registers

RECORD_WORDS = len(registers.PROFILE_FIELDS)
# To the response: a start has taken effect by then, so a read behind it finds no stale STATUS.
WRITE_CYCLES = 6


class RegisterFile(wiring.Component):
    """One access at a time: a write takes WRITE_CYCLES, a read 8. Unknown addresses read as 0 and
    ignore writes; while a program runs, so do the settings but for IRQ_ENABLE.

    Members
    -------
    bus : In(AXI4Lite)
    start : Out             pulse: CTRL bit 0 was written with 1
    settings : Out(SETTINGS)
    status : In(STATUS)
    state : In(3)           the register STATUS
    profile_addr : Out, profile_data : In(32)   the profile memory: `memory.READ_LATENCY` cycles
    """

    def __init__(self, config: Config):
        self._config = config
        super().__init__(
            {
                "bus": In(AXI4Lite(registers.ADDRESS_BITS)),
                "start": Out(1),
                "settings": Out(SETTINGS),
                "status": In(STATUS),
                "state": In(3),
                "profile_addr": Out(range(config.profile_marks * RECORD_WORDS)),
                "profile_data": In(32),
            }
        )

    def elaborate(self, platform):
        m = Module()
        bus = self.bus
        regs = registers.REGISTERS
        settings = {name.upper(): setting for name, setting in signals(self.settings).items()}

        # Writes: address and data are taken together. A cycle later the register is chosen, byte by
        # byte; they act in the next.
        write, writing = Signal(), Signal()
        m.d.comb += [
            write.eq(bus.awvalid & bus.wvalid & ~writing),
            bus.awready.eq(write),
            bus.wready.eq(write),
        ]
        with m.If(delay(m, write, WRITE_CYCLES - 1, "answered")):
            m.d.sync += bus.bvalid.eq(1)
        with m.Elif(bus.bvalid & bus.bready):
            m.d.sync += [bus.bvalid.eq(0), writing.eq(0)]
        with m.If(write):
            m.d.sync += writing.eq(1)
        written = delay(m, write, 1, "written")
        at, value, strobe = (
            delay(m, signal, 1, name, reset_less=True)
            for signal, name in ((bus.awaddr, "at"), (bus.wdata, "value"), (bus.wstrb, "strobe"))
        )
        chosen_value = delay(m, value, 1, "chosen_value", reset_less=True)

        def enables(name: str, allowed=1) -> Signal:
            enable = Signal(4, name=f"enable_{name.lower()}")
            chosen = written & allowed & (at[2:] == regs[name].offset >> 2)
            m.d.sync += enable.eq(strobe & chosen.replicate(4))
            return enable

        m.d.sync += self.start.eq(enables("CTRL")[0] & chosen_value[0])
        for name, setting in settings.items():
            # What a running program's bursts are checked against stays as it was at its start.
            enable = enables(name, 1 if name == "IRQ_ENABLE" else ~self.state[0])
            for i in range(4):
                with m.If(enable[i]):
                    m.d.sync += setting.word_select(i, 8).eq(chosen_value.word_select(i, 8))

        # Reads: cycle 0 takes the address, cycle 1 makes each bank of eight registers its copy,
        # cycles 2 to 4 select (in each bank, then the bank), cycle 5 is the profile memory's way
        # here. Cycle 6 answers.
        addr = Signal(registers.ADDRESS_BITS)
        selecting = Signal(6)
        busy = Signal()
        m.d.comb += [bus.arready.eq(~busy), self.profile_addr.eq(addr[2:])]
        m.d.sync += selecting.eq(Cat(bus.arvalid & bus.arready, selecting))
        with m.If(bus.arvalid & bus.arready):
            m.d.sync += busy.eq(1)
        with m.If(bus.arready):
            m.d.sync += addr.eq(bus.araddr)
        sources = {
            "ID": registers.ID,
            "VERSION": registers.VERSION,
            "HASH_LO": self._config.hash & 0xFFFFFFFF,
            "HASH_HI": self._config.hash >> 32,
            "STATUS": self.state,
            **settings,
            **status_registers(self.status),
        }
        banks = {}
        for name, register in regs.items():
            if register.access != "wo":
                bank = banks.setdefault(register.offset >> 5, {})
                bank[(register.offset >> 2) % 8] = sources[name]
        bank_values = {}
        indices = copies(m, platform, addr[2:5], len(banks), "index")
        for own, (bank, members) in zip(indices, banks.items(), strict=True):
            bank_values[bank] = selected = Signal(32, name=f"bank{bank}")
            with m.Switch(own):
                for index, source in members.items():
                    with m.Case(index):
                        m.d.sync += selected.eq(source)
                with m.Default():
                    m.d.sync += selected.eq(0)
        chosen = Signal(len(bank_values))
        register_value, in_profile = Signal(32), Signal()
        m.d.sync += [chosen[i].eq(addr[5:] == bank) for i, bank in enumerate(bank_values)]
        m.d.sync += in_profile.eq(addr >= registers.PROFILE_OFFSET)
        selected = 0
        for i, bank_value in enumerate(bank_values.values()):
            selected |= bank_value & chosen[i].replicate(32)
        m.d.sync += register_value.eq(selected)
        profile_value = delay(m, self.profile_data, 1, "profile_value", reset_less=True)
        with m.If(selecting[-1]):
            m.d.sync += [
                bus.rvalid.eq(1),
                bus.rdata.eq(Mux(in_profile, profile_value, register_value)),
            ]
        with m.Elif(bus.rvalid & bus.rready):
            m.d.sync += [bus.rvalid.eq(0), busy.eq(0)]
        return m
