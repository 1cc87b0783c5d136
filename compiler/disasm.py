"""Disassembler: an image's program as readable text."""

from collections.abc import Iterator
from dataclasses import dataclass

from resarray.spec.image import Image
from resarray.spec.isa import INSTRUCTION_BYTES, WAITS, Engine, Pool, decode


@dataclass(frozen=True)
class Decoded:
    """One instruction of a program.

    number: from 0, in the program; place: from 1, within its engine (what waits refer to)
    """

    number: int
    engine: Engine
    place: int
    fields: dict[str, int]


def instructions(image: Image) -> Iterator[Decoded]:
    """The program, decoded."""
    addr, count = (image.manifest["program"][key] for key in ("addr", "count"))
    numbers = dict.fromkeys(Engine, 0)
    for i in range(count):
        start = addr + i * INSTRUCTION_BYTES
        engine, fields = decode(image.payload[start : start + INSTRUCTION_BYTES])
        numbers[engine] += 1
        yield Decoded(i, engine, numbers[engine], fields)


def disassemble(image: Image) -> str:
    """One line per instruction: number, number within its engine, engine, waits, and the fields
    that matter.

    Addresses are word addresses in hexadecimal; ``buf`` is a word and ``base`` a byte of the input
    buffer.
    """
    lines = []
    for found in instructions(image):
        engine, fields = found.engine, found.fields
        parts = [_waits(engine, fields), _FORMATS[engine](fields)]
        text = " ".join(part for part in parts if part)
        lines.append(f"{found.number:6} {engine.name.lower():>8}#{found.place:<5} {text}")
        if fields.get("mark"):
            lines[-1] += " mark"
    return "\n".join(lines) + "\n"


def _waits(engine: Engine, f: dict[str, int]) -> str:
    return " ".join(
        f"{awaited.name.lower()}>={f[wait]}"
        for wait, awaited in zip(("wait_a", "wait_b"), WAITS[engine], strict=True)
        if awaited is not None and f[wait]
    )


def _pattern(f: dict[str, int]) -> str:
    """blocks x runs x words, with the strides of what occurs more than once."""
    text = f"@{f['addr']:#x} {f['n_blocks']}x{f['n_runs']}x{f['run_len']}"
    strides = [
        f"{name}+{f[f'{name}_stride']}"
        for name, n in (("block", "n_blocks"), ("run", "n_runs"))
        if f[n] > 1
    ]
    return f"{text} ({', '.join(strides)})" if strides else text


def _load(f: dict[str, int]) -> str:
    text = f"{_pattern(f)} -> buf {f['buf']} {f['rows']}x{f['cols']}"
    borders = [f"{side} {f[side]}" for side in ("top", "bottom", "left", "right") if f[side]]
    if borders:
        text += f" pad {', '.join(borders)} with {f['pad_value']}"
    return text


def _weights(f: dict[str, int]) -> str:
    return f"@{f['addr']:#x} {f['length']}"


def _compute(f: dict[str, int]) -> str:
    def loops(axis: str) -> str:
        parts = []
        for i in range(3):
            n, stride = f[f"n_{axis}{i}"], f[f"s_{axis}{i}"]
            parts.append(f"{n}(+{stride})" if n > 1 else "1")
        return "x".join(parts)

    flags = [name for name in ("winograd", "clear", "params", "table") if f[name]]
    text = f"bank {f['bank']} base {f['base']} k {loops('k')} m {loops('m')}"
    return " ".join([text, *flags])


def _drain(f: dict[str, int]) -> str:
    text = f"bank {f['bank']} pixels {f['px_base']}+{f['px_count']} blocks {f['n_blocks']}"
    text += " winograd" if f["winograd"] else ""
    text += f" zp {f['zp_out']} clamp {f['lo']}..{f['hi']}"
    if f["res_en"]:
        text += " times" if f["multiply"] else " residual"
        text += f" (r-{f['res_zp']})"
        text += "" if f["multiply"] else f"*{f['res_mult']}>>{f['res_shift']}"
        text += " vector" if f["res_vector"] else ""
    text += " table" if f["table"] else ""
    if f["pool"] == Pool.MAX:
        text += f" max {f['pool_ky']}x{f['pool_kx']} stride {f['pool_sy']}x{f['pool_sx']}"
        text += f" from {f['pool_y']},{f['pool_x']} padded {f['pool_bottom']},{f['pool_right']}"
        text += f" width {f['width']}->{f['pool_width']} line {f['line']}"
        text += " first" if f["pool_first"] else ""
    elif f["pool"] == Pool.AVERAGE:
        flags = [n for n in ("first", "last") if f[f"avg_{n}"]]
        text += f" average (sum+{f['avg_bias']})*{f['avg_mult']}>>{f['avg_shift']}"
        text = " ".join([text, f"zp {f['avg_zp']}", *flags])
    return text


_FORMATS = {
    Engine.LOAD: _load,
    Engine.WEIGHTS: _weights,
    Engine.RESIDUAL: _pattern,
    Engine.COMPUTE: _compute,
    Engine.DRAIN: _drain,
    Engine.STORE: _pattern,
}
