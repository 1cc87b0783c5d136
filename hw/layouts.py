"""Payload layouts inside the accelerator, derived from `resarray.spec`."""

from amaranth.hdl import signed, unsigned
from amaranth.lib import data

from ..spec import isa
from ..spec.config import Config


def struct_of(fields: list[isa.Field]) -> data.StructLayout:
    """The packed structure of ``fields``, bit for bit what `isa.pack` makes."""
    return data.StructLayout(
        {f.name: signed(f.width) if f.signed else unsigned(f.width) for f in fields}
    )


INSTRUCTIONS = {engine: struct_of(fields) for engine, fields in isa.LAYOUTS.items()}
PARAMS = struct_of(isa.PARAMS)

ADDR_BITS = isa.ADDR_BITS
BEATS_BITS = 9  # of a burst's length: AXI4 has up to 256 beats

# A memory access pattern: a LOAD's fields, but for the longer run of a WEIGHTS.
_LOAD = INSTRUCTIONS[isa.Engine.LOAD].members
PATTERN = data.StructLayout(
    {name: _LOAD[name] for name in ("addr", "n_blocks", "block_stride", "n_runs", "run_stride")}
    | {"run_len": INSTRUCTIONS[isa.Engine.WEIGHTS].members["length"]}
    | {name: _LOAD[name] for name in ("kept", "mirror")}
)

# A burst: ``beats`` words from ``addr``; ``last`` marks the last burst of an instruction;
# ``kept``: they are in the scratchpad from word ``place`` on.
BURST = data.StructLayout(
    {
        "addr": ADDR_BITS,
        "beats": BEATS_BITS,
        "last": 1,
        "kept": 1,
        "place": isa.MIRROR_BITS,
    }
)

# What went wrong first: an `ErrorCause`, the engine at fault and the byte offset of its burst.
ERROR = data.StructLayout({"cause": 3, "engine": 3, "addr": 32})


def word_write(config: Config, depth: int) -> data.StructLayout:
    """One word for a memory of ``depth`` words."""
    return data.StructLayout({"addr": range(depth), "word": 8 * config.rows})


def param_write(config: Config) -> data.StructLayout:
    """One channel's parameters for one bank; ``phase``: and for one output of a tile."""
    return data.StructLayout(
        {
            "bank": 1,
            "column": range(config.columns),
            "phase": range(config.phases),
            "record": PARAMS,
        }
    )


# An entry of a bank's table, which come in order: the outputs for int8 from -128 on.
TABLE_WRITE = data.StructLayout({"bank": 1, "value": 8})


def beat(config: Config) -> data.StructLayout:
    """A word read from memory; ``last`` marks the last word of an instruction."""
    return data.StructLayout({"word": 8 * config.rows, "last": 1})


def pixel_control(config: Config) -> data.StructLayout:
    """What accompanies a pixel through the array to the accumulators.

    ``clear``: overwrite instead of accumulate; ``end``: last pixel of its instruction; ``mark``:
    that instruction ends a layer.
    """
    return data.StructLayout(
        {
            "valid": 1,
            "pixel": range(config.acc_depth),
            "bank": 1,
            "clear": 1,
            "end": 1,
            "mark": 1,
        }
    )


def take_pattern(pattern, instruction) -> list:
    """Assigns ``pattern`` the `PATTERN` fields of a LOAD, RESIDUAL or STORE instruction."""
    return [pattern[name].eq(instruction[name]) for name in PATTERN.members]


def take_run(pattern, addr, length) -> list:
    """Assigns ``pattern`` one run of ``length`` words from word ``addr`` on."""
    return [
        pattern.addr.eq(addr),
        pattern.n_blocks.eq(1),
        pattern.n_runs.eq(1),
        pattern.run_len.eq(length),
    ]
