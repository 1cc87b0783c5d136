"""The accelerator: registers, start sequencer and core, with its two bus ports."""

from amaranth.hdl import Cat, ClockDomain, ClockSignal, DomainRenamer, Module, ResetSignal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect

from ..spec import registers
from ..spec.config import Config
from ..spec.registers import ErrorCause
from .axi import AXI4, AXI4Lite
from .common import copies
from .core import Core
from .register_file import RegisterFile
from .settings import SettingsCheck
from .start import StartSequencer


class Accelerator(wiring.Component):
    """The accelerator with its two bus ports and its interrupt.

    A start is taken only while no transaction is in flight (after an error, wait for STATUS to show
    it no longer busy); the core is reset and begins three cycles later.

    Reset (synchronous, one cycle or longer, at any time) must reach whatever is behind ``m_axi``
    and in front of ``s_axil`` in the same cycles: transactions in flight are forgotten. From the
    cycle after its first one on, no valid is set and nothing is taken; two cycles after its last
    one the accelerator is as after configuration.

    Members
    -------
    m_axi : Out(AXI4)      memory
    s_axil : In(AXI4Lite)  registers
    irq : Out              level: done or error, while IRQ_ENABLE bit 0 is set
    """

    def __init__(self, config: Config):
        self._config = config
        super().__init__(
            {
                "m_axi": Out(AXI4(config.rows)),
                "s_axil": In(AXI4Lite(registers.ADDRESS_BITS)),
                "irq": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.start = start = StartSequencer()
        m.submodules.settings = check = SettingsCheck(self._config)
        regs, core = RegisterFile(self._config), Core(self._config)
        m.submodules.registers = DomainRenamer("registers")(regs)
        m.submodules.core = DomainRenamer("core")(core)

        # The core's reset goes through a register and its copies, one for each unit. The reset of
        # everything goes the same way, and through a register to the register file.
        own, *units = copies(m, platform, start.reset, 1 + len(core.resets), "reset", init=1)
        (cleared,) = copies(m, platform, ResetSignal(), 1, "cleared", init=1)
        for name, rst in (("core", own), ("registers", cleared)):
            m.domains += (domain := ClockDomain(name, local=True))
            m.d.comb += [domain.clk.eq(ClockSignal()), domain.rst.eq(rst)]
        m.d.comb += [
            core.resets.eq(Cat(units)),
            start.request.eq(regs.start),
            start.quiet.eq(core.quiet),
            start.finished.eq(core.finished),
            start.error.eq(core.status.error.cause != ErrorCause.NONE),
            core.start.eq(start.start),
            core.bad_settings.eq(check.bad),
            regs.state.eq(Cat(start.active, start.done, start.failed)),
            self.irq.eq(
                (start.done | (start.failed & ~start.active)) & regs.settings.irq_enable[0]
            ),
            core.profile_addr.eq(regs.profile_addr),
            regs.profile_data.eq(core.profile_data),
        ]
        connect(m, regs.settings, core.settings)
        connect(m, regs.settings, check.settings)
        connect(m, core.status, regs.status)

        # The units see a reset two cycles late, the register file one: until then their handshakes
        # belong to transactions that the other side has forgotten.
        # Expressions, not an If: Icarus never evaluates a block whose inputs do not change.
        def join(inside, outside, held: tuple[str, ...]) -> None:
            """``held``: handshakes into the accelerator that are held back; all those out of it
            are."""
            for (name,), member, _ in inside.signature.flatten(inside):
                source, sink = getattr(inside, name), getattr(outside, name)
                quiet = name.endswith(("valid", "ready"))
                if member.flow == In:
                    source, sink, quiet = sink, source, name in held
                m.d.comb += sink.eq(source & ~start.settling if quiet else source)

        join(core.bus, self.m_axi, ())
        join(regs.bus, self.s_axil, ("awvalid", "wvalid", "arvalid"))
        return m
