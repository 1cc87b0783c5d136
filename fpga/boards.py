"""Boards that a bitstream can be made for."""

from dataclasses import dataclass, replace

from resarray.spec.errors import ResarrayError


@dataclass(frozen=True)
class Board:
    """One board with the clocks and the preset that suit it.

    name:       as on the command line
    platform:   module of ``litex_boards.platforms``
    device:     argument of its ``Platform``
    family:     which clock and memory generator serves it (see `resarray.fpga.soc.soc`)
    fpga:       Lattice part, without speed and package
    nextpnr:    options that select part, package and speed grade
    sdram:      class in ``litedram.modules``
    sdram_bytes: bytes that it moves in a cycle of ``sys_clk``, at best
    sys_clk:    Hz of memory controller, bus and serial bridge
    max_sys_clk: Hz beyond which the memory's answers are not sampled for certain
    core_clk:   Hz of the accelerator
    preset:     default configuration of the accelerator
    baud:       of the serial bridge
    loader:     board name for openFPGALoader
    """

    name: str
    platform: str
    device: str
    family: str
    fpga: str
    nextpnr: tuple[str, ...]
    sdram: str
    sdram_bytes: int
    sys_clk: float
    max_sys_clk: float
    core_clk: float
    preset: str
    loader: str
    baud: float = 1_000_000


# An SDR chip answers 0.75 of a memory cycle before the FPGA samples (its clock is a quarter late).
# About 10 ns go into pads and access time, so 60 MHz (12.5 ns) has room and 75 MHz has none.
_ULX3S_85F = Board(
    name="ulx3s-85f",
    platform="radiona_ulx3s",
    device="LFE5U-85F",
    family="ulx3s",
    fpga="LFE5U-85F",
    nextpnr=("--85k", "--package", "CABGA381", "--speed", "6"),
    sdram="MT48LC16M16",
    sdram_bytes=2,
    sys_clk=60e6,
    max_sys_clk=66e6,
    core_clk=60e6,
    preset="default",
    loader="ulx3s",
)

BOARDS = {
    board.name: board
    for board in (
        _ULX3S_85F,
        replace(
            _ULX3S_85F,
            name="ulx3s-25f",
            device="LFE5U-25F",
            fpga="LFE5U-25F",
            nextpnr=("--25k", "--package", "CABGA381", "--speed", "6"),
            preset="25f",
        ),
        Board(
            name="ecpix5-85f",
            platform="lambdaconcept_ecpix5",
            device="85F",
            family="ecpix5",
            fpga="LFE5UM5G-85F",
            nextpnr=("--um5g-85k", "--package", "CABGA554", "--speed", "8"),
            sdram="MT41K256M16",
            sdram_bytes=8,
            sys_clk=75e6,
            max_sys_clk=75e6,
            core_clk=75e6,
            preset="default",
            loader="ecpix5",
        ),
    )
}


def board(name: str) -> Board:
    """The board called ``name``; `ResarrayError` names the known ones."""
    if name not in BOARDS:
        raise ResarrayError(f"unknown board '{name}': choose one of {', '.join(BOARDS)}")
    return BOARDS[name]
