"""Settings check: the settings that a start refuses."""

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from ..spec import isa
from ..spec.config import Config
from .status import SETTINGS

BOUNDARY_BITS = 12  # no AXI burst crosses 4 KiB


class SettingsCheck(wiring.Component):
    """Whether a program can run with the settings at all, 2 cycles later. Settings do not change
    between their write and the start that follows it.

    Members
    -------
    settings : In(SETTINGS)
    bad : Out                `ErrorCause.BAD_SETTINGS`
    """

    settings: In(SETTINGS)
    bad: Out(1)

    def __init__(self, config: Config):
        self._config = config
        super().__init__()

    def elaborate(self, platform):
        m = Module()
        settings = self.settings
        word = exact_log2(self._config.rows)
        mem_end = Signal(33, reset_less=True)
        parts = (
            settings.mem_base[:BOUNDARY_BITS],
            settings.prog_addr[:word],
            settings.write_base[:word],
            settings.prog_count[isa.WAIT_BITS :],
        )
        wrong = Signal(len(parts), reset_less=True)
        m.d.sync += [
            mem_end.eq(settings.mem_base + settings.mem_size),
            wrong.eq(Cat(part.any() for part in parts)),
            self.bad.eq((mem_end > 1 << 32) | wrong.any()),
        ]
        return m
