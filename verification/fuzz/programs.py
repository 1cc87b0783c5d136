"""Random programs: legal instruction streams that no compiler makes, and what they leave in memory.

The functional model (`compiler.functional`) says whether a program is legal and what it does, the
count of `compiler.liveness` whether it ends.
"""

import dataclasses
import random
from dataclasses import dataclass

import numpy as np

from ...compiler.functional import ScheduleError, run_image
from ...compiler.program import Instruction
from ...spec import layout
from ...spec.config import Config
from ...spec.image import DIRECT, Image
from ...spec.isa import Engine, encode
from .draws import Drawer
from .orders import ends, shuffled
from .places import INSTRUCTIONS, Places
from .steps import Assembler, Step

DIGEST = {name: "0" * 64 for name in ("graph", "structure", "weights")}


@dataclass(frozen=True)
class Recipe:
    """What a program is made of: JSON, but for the steps' tuples.

    seed:  of the data in memory and of the order
    moves: instructions that are moved past others; 0: in the order of the steps
    """

    seed: int
    steps: tuple[Step, ...]
    moves: int


@dataclass(frozen=True)
class Program:
    """A program that can be run.

    image:    with all of memory in its payload
    inputs:   int8 [1][rows][1][words], the data that it reads
    expected: uint8, memory after it
    refused:  orders that the count has refused
    """

    image: Image
    inputs: np.ndarray
    expected: np.ndarray
    instructions: list[Instruction]
    refused: int


def draw(config: Config, seed: int) -> tuple[Recipe, int]:
    """The recipe of number ``seed``, and how many steps were drawn in vain."""
    rng = random.Random(f"program {seed}")
    assembler = Assembler(config, seed)
    drawer = Drawer(assembler, rng)
    drawer.draw()
    moves = rng.choice([0, rng.randint(1, 10), rng.randint(10, 60)])
    return Recipe(seed, tuple(drawer.steps), moves), drawer.refused


def assemble(config: Config, recipe: Recipe) -> Program:
    """The program of ``recipe``; steps that are not legal are left out. `ScheduleError` where
    nothing legal is left."""
    assembler = Assembler(config, recipe.seed)
    for step in recipe.steps:
        assembler.try_to_add(step)
    assembler.flush()
    instructions = assembler.instructions
    _require_marks(instructions)
    if len(instructions) > INSTRUCTIONS or not ends(instructions, config):
        raise ScheduleError("the program is too long or does not end")
    if not any(i.engine == Engine.STORE for i in instructions):
        raise ScheduleError("the program stores nothing")
    rng = random.Random(f"order {recipe.seed}")
    order, refused = shuffled(instructions, config, rng, recipe.moves)
    # Legal is what is so in the order of the steps: waits say the same in every other one.
    checked, inputs = _image(assembler, instructions)
    image, _ = _image(assembler, order)
    expected = run_image(checked, inputs)
    if not np.array_equal(expected[assembler.places.target * config.rows :], _left(assembler)):
        raise RuntimeError("the functional model does not agree with itself")
    return Program(image, inputs, expected, order, refused)


def _left(assembler: Assembler) -> np.ndarray:
    return assembler.memory[assembler.places.target * assembler.config.rows :]


def _require_marks(instructions: list[Instruction]) -> None:
    """The last compute is marked where none is: a program has a layer."""
    computes = [i for i in instructions if i.engine == Engine.COMPUTE]
    if computes and not any(i.fields["mark"] for i in computes):
        computes[-1].fields["mark"] = 1


def _image(assembler: Assembler, instructions: list[Instruction]) -> tuple[Image, np.ndarray]:
    """The image, whose payload holds all of memory, and its inputs."""
    config, where = assembler.config, assembler.places
    code = b"".join(encode(i.engine, **i.fields) for i in instructions)
    memory = assembler.initial(code)
    data = memory.reshape(-1, config.rows)[where.data : where.target].view(np.int8)
    inputs = np.ascontiguousarray(data.T)[None, :, None, :]
    manifest = _manifest(config, where, instructions)
    return Image(config.hash, manifest, memory.tobytes()), inputs


def to_file(image: Image) -> Image:
    """``image`` as it may lie in a file: the payload ends where the inputs begin."""
    return dataclasses.replace(image, payload=image.payload[: image.manifest["inputs"][0]["addr"]])


def _manifest(config: Config, where: Places, instructions: list[Instruction]) -> dict:
    """Each mark ends a layer, whose tensor is a part of what may be written: one word, of the last
    layer all the others."""
    rows = config.rows
    layers = sum(i.fields.get("mark", 0) for i in instructions)
    words = [1] * (layers - 1) + [where.end - where.target - (layers - 1)]
    starts = np.concatenate([[0], np.cumsum(words)]) + where.target

    def placed(first: int, count: int) -> dict:
        spec = layout.Blocked(rows, 1, int(count), rows)
        return {
            "image": 0,
            "addr": int(first) * rows,
            "layout": layout.to_dict(spec),
            "scale": 1.0,
            "zero_point": 0,
        }

    return {
        "model": "random program",
        "digest": DIGEST,
        "config": dataclasses.asdict(config),
        "batch": 1,
        "program": {"addr": 0, "count": len(instructions)},
        "mem_size": where.end * rows,
        "write_base": where.target * rows,
        "inputs": [placed(where.data, where.target - where.data)],
        "outputs": ["part 0"],
        "tensors": [
            {"name": f"part {i}", "layer": f"part {i}"} | placed(starts[i], words[i])
            for i in range(layers)
        ],
        "layers": [
            {
                "name": f"part {i}",
                "op": "conv",
                "method": DIRECT,
                "shape": [rows, 1, int(words[i])],
                "macs": 0,
                "bytes_read": 0,
                "bytes_written": 0,
                "predicted_cycles": 1,
                "tensor": f"part {i}",
            }
            for i in range(layers)
        ],
    }


def beats(program: Program) -> tuple[int, int]:
    """Memory words that the program reads, its own among them, and writes."""
    config = program.image.config
    read = len(program.instructions) * config.instruction_words
    read += sum(i.words for i in program.instructions if i.engine != Engine.STORE and not i.kept)
    written = sum(i.words for i in program.instructions if i.engine == Engine.STORE)
    return read, written
