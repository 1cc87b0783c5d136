"""AXI4-Lite register map (byte offsets, 32-bit registers), shared by hardware and hosts.

The lowest two address bits do not count, in reads and in writes. The settings are looked at when a
program starts: MEM_BASE must be a multiple of 4 KiB (no burst crosses one), MEM_BASE + MEM_SIZE at
most 2**32, PROG_ADDR and WRITE_BASE multiples of the word, PROG_COUNT below 2**20; else the start
ends at once with `ErrorCause.BAD_SETTINGS`. While a program runs, writes to CTRL and to settings
other than IRQ_ENABLE are ignored. Counters wrap at 2**32.
"""

from dataclasses import dataclass
from enum import IntEnum

from .isa import Engine

ADDRESS_BITS = 14
ID = 0x52415253  # "SRAR"
VERSION = 4


@dataclass(frozen=True)
class Register:
    name: str
    offset: int
    access: str  # "ro", "rw", "wo"
    doc: str


_COUNTERS = [
    ("CYCLES", "cycles from start to the end of the program"),
    ("BUSY", "cycles in which the array took a pixel"),
    ("WAIT_INSTRUCTION", "array idle: no compute instruction at hand"),
    ("WAIT_LOAD", "array idle: its input is not in the buffer yet"),
    ("WAIT_DRAIN", "array idle: its accumulator bank is still being drained"),
    ("WAIT_WEIGHTS", "array idle: its weights are not in the array yet"),
    ("READ_BEATS", "memory words read"),
    ("WRITE_BEATS", "memory words written"),
    ("READ_STALLS", "cycles with a read address waiting for the memory"),
    ("WRITE_STALLS", "cycles with a write word waiting for the memory"),
]

_REGISTERS = [
    Register("ID", 0x00, "ro", "0x52415253"),
    Register("VERSION", 0x04, "ro", "version of this map and of the instruction set"),
    Register("HASH_LO", 0x08, "ro", "configuration hash, low half"),
    Register("HASH_HI", 0x0C, "ro", "configuration hash, high half"),
    Register("CTRL", 0x10, "wo", "bit 0: start (clears counters, status and error)"),
    Register("STATUS", 0x14, "ro", "bit 0 busy, bit 1 done, bit 2 error"),
    Register("IRQ_ENABLE", 0x18, "rw", "bit 0: interrupt while done or error"),
    Register("ERROR_CAUSE", 0x20, "ro", "see ErrorCause"),
    Register("ERROR_ENGINE", 0x24, "ro", "engine at fault; 6: instruction fetch"),
    Register("ERROR_ADDR", 0x28, "ro", "byte offset of the burst at fault, modulo 2**32"),
    Register("MEM_BASE", 0x30, "rw", "bus address of offset 0, a multiple of 4 KiB"),
    Register("MEM_SIZE", 0x34, "rw", "bytes that may be read, from MEM_BASE on"),
    Register("WRITE_BASE", 0x38, "rw", "first byte offset that may be written, in whole words"),
    Register("PROG_ADDR", 0x3C, "rw", "byte offset of the program, in whole words"),
    Register("PROG_COUNT", 0x40, "rw", "instructions in the program, below 2**20"),
    Register("PROFILE_COUNT", 0x44, "ro", "profile records written"),
    *(
        Register(f"DONE_{e.name}", 0x50 + 4 * e, "ro", f"instructions completed by {e.name}")
        for e in Engine
    ),
    *(
        Register(
            f"STATE_{e.name}",
            0x70 + 4 * e,
            "ro",
            "bit 0 busy, bit 1 an instruction waits for another engine, bits 8+ queued words",
        )
        for e in Engine
    ),
    Register("FETCHED", 0x90, "ro", "instructions fetched"),
    *(Register(n, 0x100 + 4 * i, "ro", d) for i, (n, d) in enumerate(_COUNTERS)),
]

REGISTERS: dict[str, Register] = {r.name: r for r in _REGISTERS}
COUNTERS: tuple[str, ...] = tuple(name for name, _ in _COUNTERS)
# The first eight counters are snapshot into each profile record, in this order.
PROFILE_FIELDS: tuple[str, ...] = COUNTERS[:8]
PROFILE_OFFSET = 0x2000
PROFILE_RECORD_BYTES = 4 * len(PROFILE_FIELDS)
# Records that the map has addresses for.
PROFILE_RECORDS = ((1 << ADDRESS_BITS) - PROFILE_OFFSET) // PROFILE_RECORD_BYTES
COUNTER_BITS = 32

STATUS_BUSY, STATUS_DONE, STATUS_ERROR = 1, 2, 4


class ErrorCause(IntEnum):
    """Why the accelerator stopped."""

    NONE = 0
    BAD_OPCODE = 1
    OUTSIDE_WINDOW = 2
    READ_RESPONSE = 3
    WRITE_RESPONSE = 4
    BAD_SETTINGS = 5


def describe_error(values: dict[str, int]) -> str:
    """Sentence with cause, engine and address, from the registers."""
    cause, number = values["ERROR_CAUSE"], values["ERROR_ENGINE"]
    if cause == ErrorCause.BAD_SETTINGS:
        settings = ("MEM_BASE", "MEM_SIZE", "WRITE_BASE", "PROG_ADDR", "PROG_COUNT")
        return (
            "the accelerator refused to start with "
            f"{', '.join(f'{name} = {values[name]:#x}' for name in settings)}: MEM_BASE must be a "
            "multiple of 4 KiB, MEM_BASE + MEM_SIZE at most 2**32, the others in whole words, "
            "PROG_COUNT below 2**20"
        )
    causes = {c.value: c.name.lower().replace("_", " ") for c in ErrorCause}
    engines = {e.value: f"engine {e.name}" for e in Engine}
    return (
        f"the accelerator stopped with an error: {causes.get(cause, f'cause {cause}')} in "
        f"{engines.get(number, 'the instruction fetch')} at byte offset "
        f"{values['ERROR_ADDR']:#x}, {values['FETCHED']} of {values['PROG_COUNT']} instructions "
        "fetched"
    )
