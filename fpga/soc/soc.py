"""The system: clocks, memory controller, serial bridge and accelerator on one bus."""

import importlib

from litedram.init import get_sdram_phy_init_sequence
from litex.soc.integration.soc import SoCRegion
from litex.soc.integration.soc_core import SoCCore

from resarray.spec.config import Config
from resarray.spec.registers import ADDRESS_BITS

from ..boards import Board
from ..protocol import GAP_SECONDS
from .accelerator import Accelerator
from .bridge import SerialBridge
from .clocks import FAMILIES

# Bits of LiteDRAM's command and control registers, by their names in its sequences.
DFII_BITS = {
    "DFII_COMMAND_CS": 1,
    "DFII_COMMAND_WE": 2,
    "DFII_COMMAND_CAS": 4,
    "DFII_COMMAND_RAS": 8,
    "DFII_CONTROL_SEL": 1,
    "DFII_CONTROL_CKE": 2,
    "DFII_CONTROL_ODT": 4,
    "DFII_CONTROL_RESET_N": 8,
}
# Cycles after which the bus itself answers; memory and registers take a few hundred at most.
BUS_TIMEOUT = 100_000
MEMORY_BASE = 0x4000_0000
REGISTERS_BASE = 0x3000_0000


class Soc(SoCCore):
    """A SoC without a processor: the host is its only other bus master.

    platform: a LiteX platform for ``board``
    config:   of the accelerator, whose Verilog the platform is given beside
    gap_cycles: see `SerialBridge`; None: what the protocol says
    """

    def __init__(self, platform, board: Board, config: Config, gap_cycles: int | None = None):
        self.board, self.config_of_accelerator = board, config
        self.crg = FAMILIES[board.family](platform, board)
        SoCCore.__init__(
            self,
            platform,
            board.sys_clk,
            cpu_type=None,
            integrated_sram_size=0,
            with_uart=False,
            with_timer=False,
            ident="",
            bus_timeout=BUS_TIMEOUT,
        )
        phy, chip = self.crg.memory(platform, board)
        self.phy, self.chip = phy, chip
        # No cache: the host must see what the accelerator wrote.
        self.mem_map["main_ram"] = MEMORY_BASE
        self.add_module("memory_phy", phy)
        self.add_sdram("sdram", phy=phy, module=chip, l2_cache_size=0)

        self.bridge = SerialBridge(
            platform.request("serial"),
            board.sys_clk,
            board.baud,
            int(GAP_SECONDS * board.sys_clk) if gap_cycles is None else gap_cycles,
        )
        self.bus.add_master("bridge", self.bridge.bus)
        # LiteX acknowledges with made-up data what nobody answers.
        self.comb += self.bridge.nobody.eq(self.ctrl.bus_error)

        self.accelerator = Accelerator(
            config,
            self.sdram.crossbar.get_port(),
            MEMORY_BASE,
            "sys" if board.core_clk == board.sys_clk else "core",
        )
        self.bus.add_slave(
            "accelerator",
            self.accelerator.bus,
            SoCRegion(origin=REGISTERS_BASE, size=1 << ADDRESS_BITS, cached=False),
        )
        if self.crg.led is not None:
            self.comb += platform.request(self.crg.led, 0).eq(self.accelerator.irq)

    def description(self) -> dict:
        """What the host needs to know; after the SoC is finalized."""
        settings = self.phy.settings
        sequence, _ = get_sdram_phy_init_sequence(settings, self.chip.timing_settings)
        registers = {
            f"{name}_{csr.name}": region.origin + 4 * i
            for name, region in self.csr.regions.items()
            for i, csr in enumerate(region.obj)
            if csr.size <= 32
        }
        return {
            "board": self.board.name,
            "baud": self.board.baud,
            "sys_clk": self.board.sys_clk,
            "core_clk": self.board.core_clk,
            "preset": self.config_of_accelerator.name,
            "config_hash": f"{self.config_of_accelerator.hash:016x}",
            "accelerator": REGISTERS_BASE,
            "reset": registers["ctrl_reset"],
            "scratch": registers["ctrl_scratch"],
            "interrupt": registers["accelerator_interrupt"],
            "memory": {
                "base": MEMORY_BASE,
                "size": self.bus.regions["main_ram"].size,
                "leveling": self.crg.leveling,
                "registers": {
                    name: registers[f"sdram_dfii_{name}"]
                    for name in (
                        "control",
                        "pi0_command",
                        "pi0_command_issue",
                        "pi0_address",
                        "pi0_baddress",
                    )
                },
                "init": [
                    {
                        "what": what,
                        "address": address,
                        "bank": bank,
                        "register": "control" if "CONTROL" in command else "command",
                        "value": sum(DFII_BITS[name] for name in command.split("|")),
                        "cycles": cycles,
                    }
                    for what, address, bank, command, cycles in sequence
                ],
                "ready": DFII_BITS["DFII_CONTROL_SEL"],
            },
        }


def platform_of(board: Board):
    """The LiteX platform of ``board``."""
    module = importlib.import_module(f"litex_boards.platforms.{board.platform}")
    return module.Platform(device=board.device, toolchain="trellis")
