"""Instructions under construction: addresses are relative to a symbol until memory is laid out."""

from dataclasses import dataclass, field
from functools import cached_property

from resarray.spec.config import Config
from resarray.spec.isa import MIRROR_BITS, TABLE_BYTES, Engine, Pool, encode

from . import rates


@dataclass
class Instruction:
    """``symbol`` names what ``fields["addr"]`` is relative to; ``layer`` is the layer it serves."""

    engine: Engine
    fields: dict[str, int]
    layer: int
    symbol: str | None = None

    @property
    def kept(self) -> bool:
        """Whether it reads the scratchpad instead of memory."""
        return self.engine != Engine.STORE and bool(self.fields.get("kept", 0))

    @cached_property
    def words(self) -> int:
        """Memory words that the instruction moves."""
        if self.engine == Engine.WEIGHTS:
            return self.fields["length"]
        if self.engine in (Engine.LOAD, Engine.RESIDUAL, Engine.STORE):
            return self.fields["n_blocks"] * self.fields["n_runs"] * self.fields["run_len"]
        return 0


def words_given(instruction: Instruction) -> int:
    """Words that an instruction puts into the FIFO behind its engine."""
    if instruction.engine in (Engine.WEIGHTS, Engine.RESIDUAL):
        return instruction.words
    return words_drained(instruction.fields) if instruction.engine == Engine.DRAIN else 0


def words_drained(fields: dict[str, int]) -> int:
    """Words that a DRAIN gives."""
    pool = fields.get("pool", 0)
    if pool == Pool.AVERAGE:
        return fields["n_blocks"] if fields.get("avg_last") else 0
    if pool == Pool.NONE:
        return fields["n_blocks"] * pixels_drained(fields)
    rows = range(fields["pool_y"], fields["height"] + fields["pool_bottom"], fields["pool_sy"])
    return fields["n_blocks"] * fields["pool_width"] * len(rows)


def pixels_drained(fields: dict[str, int]) -> int:
    """Pixels that a DRAIN requantises."""
    return fields["width"] * fields["height"]


def weight_words(fields: dict[str, int], config: Config) -> int:
    """Words that a COMPUTE takes from the weight FIFO."""
    tiles = bool(fields.get("winograd"))
    words = fields["k_tiles"] * rates.weight_words(config, tiles)
    if fields.get("params"):
        words += rates.parameters(config, tiles)
        words += TABLE_BYTES // config.rows if fields.get("table") else 0
    return words


def residual_words(fields: dict[str, int]) -> int:
    """Words that a DRAIN takes from the residual FIFO."""
    if not fields.get("res_en"):
        return 0
    return fields["n_blocks"] * (1 if fields.get("res_vector") else pixels_drained(fields))


@dataclass
class Program:
    """Instructions in program order, counted per engine."""

    instructions: list[Instruction] = field(default_factory=list)
    counts: dict[Engine, int] = field(default_factory=lambda: dict.fromkeys(Engine, 0))

    def add(
        self, engine: Engine, fields: dict[str, int], layer: int, symbol: str | None = None
    ) -> int:
        """Append an instruction; returns how many its engine has now: what a wait for it says."""
        self.instructions.append(Instruction(engine, fields, layer, symbol))
        self.counts[engine] += 1
        return self.counts[engine]

    def encode(self, bases: dict[str, int]) -> bytes:
        """The program's bytes; ``bases`` gives the first word of every symbol."""
        parts = []
        for instruction in self.instructions:
            fields = instruction.fields
            if instruction.symbol is not None:
                base = bases[instruction.symbol]
                fields = fields | {"addr": fields["addr"] + base}
                if fields.get("kept"):
                    # Until here relative to the tensor, like the address.
                    fields["mirror"] = (fields["mirror"] - base) % (1 << MIRROR_BITS)
            parts.append(encode(instruction.engine, **fields))
        return b"".join(parts)


def weights_symbol(layer: int) -> str:
    """Symbol of a layer's weight stream; tensors are symbols by their names."""
    return f"weights of layer {layer}"


def tensor_symbol(name: str, image: int) -> str:
    """Symbol of one image's tensor."""
    return f"tensor {name} of image {image}"
