"""Bringing up the memory chip, which the SoC leaves to the host."""

import random
import time

from resarray.spec.errors import ResarrayError

from .link import MAX_BYTES, Link

# Of the SoC, that the start sequence is written to.
REGISTERS = ("control", "pi0_command", "pi0_command_issue", "pi0_address", "pi0_baddress")
# Written to far apart addresses: every data and every address bit is 0 once and 1 once.
PATTERNS = (0x55AA_33CC, 0xAA55_CC33)
ADVICE = "the bitstream does not suit the memory chip or its clock; build it for this board"


def initialise(link: Link, description: dict) -> None:
    """Run the chip's start sequence, hand it to the controller, and see that it remembers.

    description: of the SoC. `ResarrayError` for a chip that needs read levelling, which this host
    cannot do, and for one that does not remember.
    """
    memory = description["memory"]
    if memory["leveling"]:
        raise ResarrayError(
            f"the memory of board '{description['board']}' needs read levelling, which this host "
            "cannot do: use a ULX3S"
        )
    registers = memory["registers"]
    for step in memory["init"]:
        link.write_word(registers["pi0_address"], step["address"])
        link.write_word(registers["pi0_baddress"], step["bank"])
        if step["register"] == "control":
            link.write_word(registers["control"], step["value"])
        else:
            link.write_word(registers["pi0_command"], step["value"])
            link.write_word(registers["pi0_command_issue"], 1)
        time.sleep(step["cycles"] / description["sys_clk"])
    link.write_word(registers["control"], memory["ready"])
    check(link, memory["base"], memory["size"])


def check(link: Link, base: int, size: int) -> None:
    """Words at the powers of two below ``size`` must come back, and a block that the memory takes
    and gives in one go; else `ResarrayError`."""
    noise = random.Random(1).randbytes(min(size, MAX_BYTES))
    link.write(base, noise)
    found = link.read(base, len(noise))
    wrong = sum(a != b for a, b in zip(found, noise, strict=True))
    if wrong:
        raise ResarrayError(
            f"the board's memory gave back {wrong} of {len(noise)} bytes wrong: {ADVICE}"
        )
    offsets = [0, *(1 << bit for bit in range(2, (size - 1).bit_length()))]
    for pattern in PATTERNS:
        values = {offset: pattern ^ offset for offset in offsets}
        for offset, value in values.items():
            link.write_word(base + offset, value)
        for offset, value in values.items():
            word = link.read_word(base + offset)
            if word != value:
                raise ResarrayError(
                    f"the board's memory holds {word:#010x} at offset {offset:#x} where "
                    f"{value:#010x} was written: {ADVICE}"
                )
