"""What mutants are put through: a memory, settings, and steps of `bench`.

What the steps must show is taken from the unchanged design, after `check` has compared its tensors
with the golden model, its ends with what is written here, and its counters with each other.
"""

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field

import numpy as np

from resarray.compiler.compile import compile_graph
from resarray.compiler.placement import complete
from resarray.golden import fast
from resarray.sim.memory_model import MemoryModel
from resarray.spec import isa
from resarray.spec.config import Config
from resarray.spec.image import Image
from resarray.spec.isa import Engine
from resarray.spec.layout import ceil_div
from resarray.spec.memory import memory_contents, read_tensors, settings_of
from resarray.spec.registers import COUNTERS, PROFILE_FIELDS, PROFILE_OFFSET, REGISTERS
from tests.compiler.reference import Builder

from ..fuzz import cases

MEM_BASE = 0x4000_0000
DEPTH = 1 << 19  # words of the harness's memory
LIMIT = 1_000_000  # cycles of a program that nothing is known of yet
SETTINGS = ("MEM_BASE", "MEM_SIZE", "WRITE_BASE", "PROG_ADDR", "PROG_COUNT", "IRQ_ENABLE")


@dataclass
class Scenario:
    """What a mutant is put through.

    memory:   uint8, from the memory's first word on
    ports:    of the harness
    steps:    of `bench.Run`
    golden:   int8 [images, C, H, W] of each tensor that must be in memory after it, by name
    image:    where they are
    status:   registers that must read so, by name, each time that all are read
    left:     uint8, memory from where it may be written on, after it
    """

    name: str
    memory: np.ndarray
    ports: dict[str, int]
    steps: list[list]
    image: Image
    golden: dict[str, np.ndarray] = field(default_factory=dict)
    status: tuple[dict[str, int], ...] = ()
    left: np.ndarray | None = None


def program(
    config: Config,
    name: str,
    b: Builder,
    memory: MemoryModel,
    *,
    batch: int = 1,
    fuse_pool: bool = True,
    offset: int = 0,
    base: int = MEM_BASE,
    x: np.ndarray | None = None,
    change: Callable[[dict[str, int]], dict[str, int]] | None = None,
    tiled: bool = False,
) -> Scenario:
    """``b`` from its start to its end; with all of its addresses ``offset`` bytes further, its
    memory at ``base``, its instructions' fields as ``change`` makes them, or all that can be
    ``tiled`` by Winograd's tiles."""
    if x is None:
        x = np.stack([b.input() for _ in range(batch)])
    golden = complete(b.graph, config, fast.run(b.graph, x))
    with cases.tiled() if tiled else nullcontext():
        image = compile_graph(b.graph, config, batch=batch, fuse_pool=fuse_pool)
    contents = loaded(image, x)
    settings = settings_of(image, base)
    if offset:
        move(image, contents, settings, offset)
    if change is not None:
        rewrite(image, contents, change)
    return Scenario(
        name,
        contents,
        ports(memory, config, base + offset),
        [*identity(), *begin(settings), ["irq"], *finished(image)],
        image,
        golden,
        ({"STATUS": 2, "ERROR_CAUSE": 0},),
    )


def move(image: Image, contents: np.ndarray, settings: dict[str, int], offset: int) -> None:
    """Make ``contents`` and ``settings`` those of the program ``offset`` bytes further."""
    words = offset // image.config.rows
    rewrite(image, contents, lambda f: f | ({"addr": f["addr"] + words} if "addr" in f else {}))
    for register in ("MEM_SIZE", "WRITE_BASE", "PROG_ADDR"):
        settings[register] += offset


def rewrite(
    image: Image, contents: np.ndarray, change: Callable[[dict[str, int]], dict[str, int]]
) -> None:
    """Make the program in ``contents`` that of changed instructions' fields."""
    code = b"".join(encode(change(fields)) for fields in decoded(image))
    start = image.manifest["program"]["addr"]
    contents[start : start + len(code)] = np.frombuffer(code, np.uint8)


def loaded(image: Image, x: np.ndarray) -> np.ndarray:
    """All of the memory that ``image`` runs in, junk where nothing has been written."""
    rows = image.config.rows
    size = ceil_div(image.manifest["mem_size"], rows) * rows
    contents = np.random.default_rng(0).integers(0, 256, size).astype(np.uint8)
    given = memory_contents(image, x)
    contents[: len(given)] = given
    return contents


def decoded(image: Image) -> list[dict[str, int]]:
    """The fields of its instructions, in order."""
    program = image.manifest["program"]
    starts = range(program["addr"], program["addr"] + 32 * program["count"], 32)
    return [isa.decode(image.payload[at : at + 32])[1] for at in starts]


def first_of(instructions: list[dict[str, int]], engine: Engine) -> int:
    """The number of an engine's first instruction."""
    return next(i for i, f in enumerate(instructions) if f["opcode"] == engine.opcode)


def edited(image: Image, contents: np.ndarray, index: int, code: bytes) -> np.ndarray:
    """``contents`` with another instruction in place of number ``index``."""
    changed = contents.copy()
    start = image.manifest["program"]["addr"] + len(code) * index
    changed[start : start + len(code)] = np.frombuffer(code, np.uint8)
    return changed


def encode(fields: dict[str, int], engine: Engine | None = None) -> bytes:
    """An instruction of any opcode, laid out as ``engine``'s; None: the opcode's."""
    layout = isa.LAYOUTS[Engine(fields["opcode"] - 1) if engine is None else engine]
    return isa.pack(layout, fields).to_bytes(32, "little")


def ports(
    memory: MemoryModel, config: Config, base: int = MEM_BASE, read: int = 0, write: int = 0
) -> dict[str, int]:
    """The harness's settings; ``read`` and ``write``: the beats that are answered with an error."""
    return memory.settings(config) | {"base": base, "bad_read": read, "bad_write": write}


def at(name: str) -> int:
    return REGISTERS[name].offset


def identity() -> list[list]:
    return [["read", at(name)] for name in ("ID", "VERSION", "HASH_LO", "HASH_HI")]


def begin(settings: dict[str, int]) -> list[list]:
    """Settings, and a start that is seen."""
    writes = [["write", at(name), settings[name]] for name in SETTINGS]
    return [*writes, ["write", at("CTRL"), 1], ["read", at("STATUS")]]


def finished(image: Image) -> list[list]:
    """What is to be seen after the interrupt."""
    rows = image.config.rows
    words = ceil_div(image.manifest["mem_size"], rows)
    records = len(image.manifest["layers"]) * len(PROFILE_FIELDS)
    return [
        ["idle"],
        ["memory", 0, words - 1],
        ["registers"],
        ["profile", PROFILE_OFFSET, records],
        ["level"],
        ["write", at("IRQ_ENABLE"), 0],
        ["level"],
    ]


def small(config: Config) -> tuple[Image, np.ndarray]:
    b = Builder(9, (5, 4, 4))
    x = b.conv("x", 6, (3, 3), padding=(1, 1, 1, 1))
    b.add(b.conv(x, 6, (1, 1)), x)
    image = compile_graph(b.graph, config)
    return image, loaded(image, b.input()[None])


def check(scenario: Scenario, shown: list, dump: np.ndarray) -> list[str]:
    """What is wrong with what the unchanged design shows.

    dump: int8 from the memory's first byte on
    """
    stopped = [text for text in shown if isinstance(text, str) and " in step " in text]
    if stopped:
        return [f"{scenario.name}: {stopped[0]}"]
    wrong = []
    if any(isinstance(v, list) and len(v) == 2 and v != [0, 0] for v in shown):
        wrong.append("it breaks a protocol")
    places = [index for index, value in enumerate(shown) if isinstance(value, dict)]
    for place, expected in zip(places, scenario.status, strict=True):
        for name, value in expected.items():
            if shown[place][name] != value:
                wrong.append(f"{name} is {shown[place][name]}, not {int(value)}")
    if scenario.golden:
        tensors = read_tensors(scenario.image, lambda start, size: dump[start : start + size])
        for name, tensor in tensors.items():
            if not np.array_equal(tensor, scenario.golden[name]):
                wrong.append(f"tensor {name} is not the golden model's")
        counters = dict(zip(COUNTERS, shown[places[-1] + 1], strict=True))
        kinds = ("BUSY", "WAIT_INSTRUCTION", "WAIT_LOAD", "WAIT_DRAIN", "WAIT_WEIGHTS")
        if counters["CYCLES"] != sum(counters[kind] for kind in kinds):
            wrong.append("its cycles are not those of its kinds")
    if scenario.left is not None:
        start = scenario.image.manifest["write_base"]
        written = dump.view(np.uint8)[start : start + len(scenario.left)]
        if not np.array_equal(written, scenario.left):
            wrong.append("memory is not the functional model's")
    return [f"{scenario.name}: {text}" for text in wrong]
