"""Clocks and memory chips of each board family.

A family is a LiteX module with the clock domains of `resarray.fpga.soc.soc` and

    led         platform resource that shows the interrupt, or None
    leveling    its memory needs read levelling
    memory()    the memory's PHY and chip
"""

from litedram import modules
from litedram.phy import ECP5DDRPHY, GENSDRPHY
from litex.build.io import DDROutput
from litex.gen import ClockDomain, LiteXModule
from litex.soc.cores.clock import ECP5PLL
from migen import ClockSignal, Instance, Signal
from migen.genlib.resetsync import AsyncResetSynchronizer

from ..boards import Board


def _core_clock(pll: ECP5PLL, owner: LiteXModule, board: Board, reset: Signal) -> None:
    """A clock of its own for the accelerator where it does not run at the memory's."""
    if board.core_clk != board.sys_clk:
        owner.cd_core = ClockDomain()
        pll.create_clkout(owner.cd_core, board.core_clk, with_reset=False)
        owner.specials += AsyncResetSynchronizer(owner.cd_core, reset)


class Ulx3s(LiteXModule):
    """25 MHz crystal and an SDR SDRAM whose clock is a quarter of a cycle late: commands are stable
    around its edges, and its answers have three quarters of a cycle to come back."""

    led = "user_led"
    leveling = False

    def __init__(self, platform, board: Board):
        self.rst = Signal()
        self.cd_sys = ClockDomain()
        self.cd_sys_ps = ClockDomain(reset_less=True)
        self.pll = pll = ECP5PLL()
        # The SoC's own reset leaves the PLL alone: without a clock it would never end.
        reset = Signal()
        self.comb += [pll.reset.eq(platform.request("rst")), reset.eq(~pll.locked | self.rst)]
        pll.register_clkin(platform.request("clk25"), 25e6)
        pll.create_clkout(self.cd_sys, board.sys_clk, with_reset=False)
        pll.create_clkout(self.cd_sys_ps, board.sys_clk, phase=90, with_reset=False)
        self.specials += AsyncResetSynchronizer(self.cd_sys, reset)
        _core_clock(pll, self, board, reset)
        self.specials += DDROutput(1, 0, platform.request("sdram_clock"), ClockSignal("sys_ps"))
        # Low would let the board's other processor reset the FPGA.
        self.comb += platform.request("wifi_gpio0").eq(1)

    def memory(self, platform, board: Board):
        """The memory's PHY and its chip."""
        phy = GENSDRPHY(platform.request("sdram"), board.sys_clk)
        return phy, getattr(modules, board.sdram)(board.sys_clk, "1:1")


class Ecpix5(LiteXModule):
    """100 MHz crystal and a DDR3 SDRAM at twice the system clock."""

    led = None
    leveling = True

    def __init__(self, platform, board: Board):
        self.rst = Signal()
        self.cd_init = ClockDomain()
        self.cd_por = ClockDomain(reset_less=True)
        self.cd_sys = ClockDomain()
        self.cd_sys2x = ClockDomain()
        self.cd_sys2x_i = ClockDomain()
        self.stop, self.reset = Signal(), Signal()

        clock = platform.request("clk100")
        left = Signal(16, reset=2**16 - 1)
        self.comb += self.cd_por.clk.eq(clock)
        self.sync.por += left.eq(left - (left != 0))

        self.pll = pll = ECP5PLL()
        self.comb += pll.reset.eq((left != 0) | ~platform.request("rst_n"))
        pll.register_clkin(clock, 100e6)
        pll.create_clkout(self.cd_sys2x_i, 2 * board.sys_clk)
        pll.create_clkout(self.cd_init, 25e6)
        _core_clock(pll, self, board, ~pll.locked | self.rst)
        self.specials += [
            Instance(
                "ECLKSYNCB",
                i_ECLKI=self.cd_sys2x_i.clk,
                i_STOP=self.stop,
                o_ECLKO=self.cd_sys2x.clk,
            ),
            Instance(
                "CLKDIVF",
                p_DIV="2.0",
                i_ALIGNWD=0,
                i_CLKI=self.cd_sys2x.clk,
                i_RST=self.reset,
                o_CDIVX=self.cd_sys.clk,
            ),
            AsyncResetSynchronizer(self.cd_sys, ~pll.locked | self.reset | self.rst),
        ]

    def memory(self, platform, board: Board):
        """The memory's PHY and its chip."""
        phy = ECP5DDRPHY(platform.request("ddram"), sys_clk_freq=board.sys_clk)
        self.comb += [self.stop.eq(phy.init.stop), self.reset.eq(phy.init.reset)]
        return phy, getattr(modules, board.sdram)(board.sys_clk, "1:2")


FAMILIES = {"ulx3s": Ulx3s, "ecpix5": Ecpix5}
