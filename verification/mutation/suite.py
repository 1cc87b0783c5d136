"""The quick suite: short programs of all operators under stalls, errors, resets and registers.

Each is a `Scenario`: what memory holds, the settings, and steps of `bench`. What the steps must
show is taken from the unchanged design, after `check` has compared its tensors with the golden
model, its ends with what is written here, and its counters with each other.
"""

import dataclasses
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

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
from resarray.spec.numerics import quantise_factor
from resarray.spec.registers import (
    COUNTERS,
    PROFILE_FIELDS,
    PROFILE_OFFSET,
    REGISTERS,
    ErrorCause,
)
from tests.compiler.reference import Builder, random_graph

MEM_BASE = 0x4000_0000
DEPTH = 1 << 19  # words of the harness's memory
IMAGES = 300
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
    """

    name: str
    memory: np.ndarray
    ports: dict[str, int]
    steps: list[list]
    image: Image
    golden: dict[str, np.ndarray] = field(default_factory=dict)
    status: tuple[dict[str, int], ...] = ()


def scenarios(config: Config) -> list[Scenario]:
    """The suite on ``config``, what kills most first."""
    programs = [
        program(config, "residual", residual(), MemoryModel(8, None, 0.3, 1)),
        program(config, "excite", excite(), MemoryModel(20, None, 0.2, 2), batch=2),
        program(config, "concat", concat(), MemoryModel(1)),
        registers(config),
        program(config, "strides", strides(), MemoryModel(40, 1.5, 0.1, 3)),
        program(config, "extremes", extremes(), MemoryModel(16)),
        program(config, "linear", linear(), MemoryModel(60, None, 0.5, 4)),
        program(config, "pools", pools(), MemoryModel(12, None, 0.4, 5), fuse_pool=False),
        program(config, "moved", moving(), MemoryModel(5, None, 0.2, 6), offset=0x6AAA_A000),
        program(config, "moved back", moving(), MemoryModel(5, None, 0.2, 7), offset=0x9555_5000),
    ]
    rest = [
        *quick(config),
        program(config, "wide pools", wide_pools(), MemoryModel(14, None, 0.2, 14)),
        long_loads(config),
        program(config, "batch", many_images(), MemoryModel(3), batch=IMAGES),
        full_queues(config),
        settings_bit_by_bit(config),
        large_average(config),
        many_instructions(config),
    ]
    return [
        *programs,
        *errors(config),
        *far_patterns(config),
        *resets(config),
        *drawn(config),
        *rest,
    ]


# Programs.


def residual() -> Builder:
    """A block of a residual network with a fused max pool and the average at its end."""
    b = Builder(1, (5, 9, 7))
    x = b.max_pool(b.conv("x", 6, (3, 3), padding=(1, 1, 1, 1)), 3, 1)
    y = b.conv(x, 9, (3, 3), padding=(1, 1, 1, 1))
    x = b.conv(y, 6, (3, 3), padding=(1, 1, 1, 1), residual=x)
    b.average(x)
    return b


def excite() -> Builder:
    """Squeeze and excitation: averages, functions, products and sums."""
    b = Builder(2, (6, 5, 4))
    x = b.function(b.conv("x", 9, (3, 3), padding=(1, 1, 1, 1), relu=False))
    factor = b.function(b.conv(b.average(x), 9, (1, 1), relu=False))
    x = b.add(b.multiply(x, factor), x)
    b.multiply(x, x)
    return b


def concat() -> Builder:
    """Parts side by side, taken apart, enlarged, and constants."""
    b = Builder(3, (4, 4, 5))
    x = b.concat(b.conv("x", 5, (1, 1)), b.conv("x", 8, (3, 3), padding=(1, 1, 1, 1)))
    x = b.upsample(b.slice(x, 3, 7), (2, 1))
    b.add(x, b.constant((7, 8, 5)))
    return b


def strides() -> Builder:
    """Dilation, groups, strides that differ, and patches."""
    b = Builder(4, (8, 13, 11))
    x = b.conv("x", 6, (3, 3), padding=(4, 2, 1, 3), dilation=(3, 2))
    x = b.conv(x, 12, (2, 3), (1, 3), groups=2)
    x = b.conv(x, 12, (3, 2), (2, 1), (2, 0, 1, 1), groups=12)
    b.conv(x, 5, (3, 2), (3, 2))
    return b


def linear() -> Builder:
    """Layers of one pixel with many channels: memory bounds them."""
    b = Builder(5, (37, 2, 2))
    x = b.conv("x", 41, (2, 2))
    b.conv(x, 19, (1, 1), relu=False)
    return b


def pools() -> Builder:
    """Max pools of all kernels and strides, by themselves."""
    b = Builder(6, (6, 14, 9))
    x = b.max_pool("x", (3, 2), (1, 0, 0, 1), (1, 1))
    x = b.max_pool(x, 2, 0, 2)
    b.max_pool(x, (1, 3), (0, 0, 2, 1), (3, 2))
    return b


def wide_pools() -> Builder:
    """As many windows side by side as the line buffer holds."""
    b = Builder(12, (9, 6, 40))
    x = b.max_pool(b.conv("x", 9, (1, 1)), 3, 1)
    b.max_pool(b.conv(x, 12, (1, 1)), (2, 3), 0, (1, 1))
    return b


def many_images() -> Builder:
    """For a batch: every engine does hundreds of instructions."""
    b = Builder(13, (4, 8, 8))
    b.add("x", "x")
    return b


def moving() -> Builder:
    """Reads and writes of all kinds, for another place in memory."""
    b = Builder(7, (7, 6, 6))
    x = b.conv("x", 7, (3, 3), padding=(1, 1, 1, 1))
    b.add(b.conv(x, 7, (1, 1)), x)
    return b


def extremes() -> Builder:
    """The largest weights, pixels and biases, of both signs, and factors from tiny to large."""
    b = Builder(8, (60, 3, 3))
    b.graph.tensors["x"] = dataclasses.replace(b.graph.tensors["x"], zero_point=-128)
    x = b.conv("x", 16, (3, 3), padding=(1, 1, 1, 1), relu=False)
    op: Any = b.graph.ops[0]
    total = 255 * 127 * 9 * 60
    weight = np.full_like(op.weight, 127)
    weight[1::2] = -127
    bias = np.array([((1 << 31) - 1 - total) * (1 if i % 2 == 0 else -1) for i in range(16)])
    bias[8:] = 0
    factors = [quantise_factor(110 / s) for s in [2.0**31] * 8 + [1.0 * total] * 4 + [2e3] * 4]
    b.graph.ops[0] = dataclasses.replace(
        op,
        weight=weight,
        bias=bias,
        mult=np.array([m for m, _ in factors]),
        shift=np.array([s for _, s in factors]),
    )
    b.conv(x, 4, (1, 1))
    return b


def halves() -> Builder:
    """Results half way between two integers: every rounding is seen. A factor of 2**16 and a shift
    of 1 halve a sum."""
    b = Builder(11, (4, 3, 2))
    x = b.conv("x", 4, (1, 1), relu=False)
    op: Any = b.graph.ops[0]
    b.graph.ops[0] = dataclasses.replace(
        op,
        weight=np.sign(op.weight).astype(np.int8),
        bias=np.arange(-2, 2),
        mult=np.full(4, 1 << 16),
        shift=np.ones(4, int),
    )
    b.add(x, x)
    b.multiply(x, x)
    b.average(x)
    for index in range(1, 4):
        op = b.graph.ops[index]
        b.graph.ops[index] = dataclasses.replace(op, mult=1 << 16, shift=1)
    return b


def quick(config: Config) -> list[Scenario]:
    """The least that tells anything."""
    return [program(config, "halves", halves(), MemoryModel(3))]


def drawn(config: Config) -> Iterator[Scenario]:
    """Random graphs of a few thousand cycles."""
    memories = itertools.cycle(
        [MemoryModel(1, None, 0.6, 8), MemoryModel(100, None, 0.0, 9), MemoryModel(30, 3, 0.3, 10)]
    )
    wanted = 8
    for seed in itertools.count(5000):
        if not wanted:
            return
        b = random_graph(seed)
        image = compile_graph(b.graph, config)
        if 500 < sum(layer["predicted_cycles"] for layer in image.manifest["layers"]) < 2500:
            wanted -= 1
            yield program(config, f"random {seed}", b, next(memories))


def program(
    config: Config,
    name: str,
    b: Builder,
    memory: MemoryModel,
    *,
    batch: int = 1,
    fuse_pool: bool = True,
    offset: int = 0,
    x: np.ndarray | None = None,
) -> Scenario:
    """``b`` from its start to its end; with all of its addresses ``offset`` bytes further."""
    if x is None:
        x = np.stack([b.input() for _ in range(batch)])
    golden = complete(b.graph, config, fast.run(b.graph, x))
    image = compile_graph(b.graph, config, batch=batch, fuse_pool=fuse_pool)
    contents = loaded(image, x)
    settings = settings_of(image, MEM_BASE)
    if offset:
        move(image, contents, settings, offset)
    return Scenario(
        name,
        contents,
        ports(memory, config, MEM_BASE + offset),
        [*identity(), *begin(settings), ["irq"], *finished(image)],
        image,
        golden,
        ({"STATUS": 2, "ERROR_CAUSE": 0},),
    )


def move(image: Image, contents: np.ndarray, settings: dict[str, int], offset: int) -> None:
    """Make ``contents`` and ``settings`` those of the program ``offset`` bytes further."""
    words = offset // image.config.rows
    code = b"".join(
        encode(f | ({"addr": f["addr"] + words} if "addr" in f else {})) for f in decoded(image)
    )
    start = image.manifest["program"]["addr"]
    contents[start : start + len(code)] = np.frombuffer(code, np.uint8)
    for register in ("MEM_SIZE", "WRITE_BASE", "PROG_ADDR"):
        settings[register] += offset


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


# Registers, errors and resets.


def small(config: Config) -> tuple[Image, np.ndarray]:
    b = Builder(9, (5, 4, 4))
    x = b.conv("x", 6, (3, 3), padding=(1, 1, 1, 1))
    b.add(b.conv(x, 6, (1, 1)), x)
    image = compile_graph(b.graph, config)
    return image, loaded(image, b.input()[None])


def registers(config: Config) -> Scenario:
    """Every writable register with both patterns, byte by byte, at all paces; what is not there."""
    image, contents = small(config)
    steps = identity()
    writable = [r.offset for r in REGISTERS.values() if r.access == "rw"]
    for pace, pattern in zip(
        ((0, 0, 0), (3, 0, 2), (0, 4, 1), (1, 1, 7)),
        (0x55AA_33CC, 0xAA55_CC33, 0xFFFF_FFFF, 0x0000_0000),
        strict=True,
    ):
        steps.append(["waits", *pace])
        steps += [
            ["write", offset, (pattern * (1 + i)) & 0xFFFF_FFFF]
            for i, offset in enumerate(writable)
        ]
        steps += [["read", offset] for offset in writable]
    for strobe in range(16):
        for i, offset in enumerate(writable):
            steps.append(
                ["write", offset + strobe % 4, 0x0102_0304 * (strobe + i) & 0xFFFF_FFFF, strobe]
            )
        steps += [["read", offset + (strobe + 1) % 4] for offset in writable]
    # Nothing is there, and a start wants its bit.
    for offset in (0x0C, 0x1C, 0x2C, 0x48, 0x94, 0x128, 0x1F0, 0x200, 0x1000, 0x1FFC):
        steps += [["write", offset, 0xFFFF_FFFF], ["read", offset]]
    steps += [["write", at("CTRL"), 0xFFFF_FFFE], ["write", at("CTRL"), 1, 14], ["registers"]]
    steps += [["read", PROFILE_OFFSET + 0x1FFC & 0x3FFF], ["memory", 0, 8], ["level"]]
    return Scenario(
        "registers", contents, ports(MemoryModel(), config), steps, image, status=({"STATUS": 0},)
    )


def errors(config: Config) -> Iterator[Scenario]:
    """Programs, settings and memories that end in an error, each with its cause and place."""
    image, contents = small(config)
    settings = settings_of(image, MEM_BASE)
    rows = config.rows
    size = image.manifest["mem_size"] // rows
    memory = MemoryModel(6, None, 0.2, 11)

    def ends(
        name: str, contents: np.ndarray, settings: dict, ports: dict, **status: int
    ) -> Scenario:
        steps = [*begin(settings), ["irq"], *finished(image)]
        # What came before it must not matter to a start: twice, without a reset.
        steps = [*steps[:-2], *begin(settings), ["irq"], *finished(image)]
        # An answer with an error comes once.
        again = {"STATUS": 2} if ports["bad_read"] or ports["bad_write"] else {"STATUS": 4} | status
        expected = ({"STATUS": 4} | status, again)
        return Scenario(name, contents, ports, steps, image, status=expected)

    normal = ports(memory, config)
    instructions = decoded(image)
    first = {
        e: next((i for i, f in enumerate(instructions) if f["opcode"] == e.opcode), None)
        for e in Engine
    }

    def edited(engine: Engine, **fields: int) -> np.ndarray:
        index = first[engine]
        assert index is not None
        changed = contents.copy()
        start = image.manifest["program"]["addr"] + 32 * index
        code = encode(instructions[index] | fields, engine)
        changed[start : start + 32] = np.frombuffer(code, np.uint8)
        return changed

    for opcode in (0, 7, 9, 15):
        yield ends(
            f"opcode {opcode}",
            edited(Engine.COMPUTE, opcode=opcode),
            settings,
            normal,
            ERROR_CAUSE=ErrorCause.BAD_OPCODE,
            ERROR_ENGINE=len(Engine),
        )
    outside = ErrorCause.OUTSIDE_WINDOW
    for engine in (Engine.LOAD, Engine.WEIGHTS, Engine.RESIDUAL, Engine.STORE):
        places = [size, 0x2AAA_AAAA, 0x1555_5555]
        if engine is Engine.STORE:
            places += [image.manifest["write_base"] // rows - 1, 0]
        for place in places:
            yield ends(
                f"{engine.name} at {place:#x}",
                edited(engine, addr=place, **({"kept": 0} if engine is Engine.RESIDUAL else {})),
                settings,
                normal,
                ERROR_CAUSE=outside,
                ERROR_ENGINE=engine,
                ERROR_ADDR=place * rows & 0xFFFF_FFFF,
            )
    yield ends("no memory", contents, settings | {"MEM_SIZE": 0}, normal, ERROR_CAUSE=outside)
    yield ends(
        "the end of memory",
        contents,
        settings | {"MEM_SIZE": image.manifest["write_base"] + rows},
        normal,
        ERROR_CAUSE=outside,
    )
    for name, changed in {
        "count": {"PROG_COUNT": 1 << 20},
        "count wrapped": {"PROG_COUNT": (1 << 31) + 3},
        "base": {"MEM_BASE": MEM_BASE + 64},
        "base by 2 KiB": {"MEM_BASE": MEM_BASE + 2048},
        "end": {"MEM_BASE": 0xFFFF_F000, "MEM_SIZE": 0x1001},
        "program": {"PROG_ADDR": 2},
        "program by 1": {"PROG_ADDR": 1},
        "window": {"WRITE_BASE": settings["WRITE_BASE"] + 1},
        "window by 2": {"WRITE_BASE": settings["WRITE_BASE"] + 2},
    }.items():
        bad = ErrorCause.BAD_SETTINGS
        yield ends(f"bad {name}", contents, settings | changed, normal, ERROR_CAUSE=bad)
    for beat in (1, 9, 40, 90, 150):
        found = ErrorCause.READ_RESPONSE
        yield ends(
            f"bad read {beat}",
            contents,
            settings,
            ports(memory, config, read=beat),
            ERROR_CAUSE=found,
        )
    for beat in (1, 2):
        found = ErrorCause.WRITE_RESPONSE
        yield ends(
            f"bad write {beat}",
            contents,
            settings,
            ports(memory, config, write=beat),
            ERROR_CAUSE=found,
        )
    for engine, fields in (
        (Engine.DRAIN, {"wait_a": 0xF_FFFF}),
        (Engine.LOAD, {"wait_b": 0xA_AAAA}),
        (Engine.COMPUTE, {"wait_b": 0x5_5555}),
        (Engine.STORE, {"wait_a": 0x8_0000}),
        (Engine.WEIGHTS, {"length": 1}),
    ):
        yield Scenario(
            f"{engine.name} waits for ever",
            edited(engine, **fields),
            normal,
            [*begin(settings), ["cycles", 1500], ["registers"], ["level"], *begin(settings)[-2:]]
            + [["cycles", 100], ["registers"], ["memory", 0, 8]],
            image,
            status=({"STATUS": 1}, {"STATUS": 1}),
        )
    yield Scenario(
        "no program",
        contents,
        normal,
        [*begin(settings | {"PROG_COUNT": 0}), ["irq"], *finished(image)],
        image,
        status=({"STATUS": 2},),
    )


def resets(config: Config) -> Iterator[Scenario]:
    """Resets in the middle, starts while a program runs, an interrupt that comes to be wanted."""
    image, contents = small(config)
    settings = settings_of(image, MEM_BASE)
    for index, (cycle, cycles) in enumerate(
        [(7, 1), (41, 2), (90, 1), (160, 3), (333, 1), (520, 5)]
    ):
        memory = MemoryModel(9, None, 0.3, 20 + index)
        steps = [*begin(settings), ["cycles", cycle], ["reset", cycles]]
        steps += [["registers"]] if index % 2 else []
        steps += [*begin(settings), ["irq"], *finished(image)]
        expected = ({"STATUS": 0}, {"STATUS": 2}) if index % 2 else ({"STATUS": 2},)
        yield Scenario(
            f"reset after {cycle}", contents, ports(memory, config), steps, image, status=expected
        )
    steps = begin(settings | {"IRQ_ENABLE": 0xFFFF_FFFE})
    for _ in range(3):
        steps += [["cycles", 30], ["write", at("CTRL"), 1], ["read", at("STATUS")]]
    steps += [
        ["cycles", 3000],
        ["idle"],
        ["level"],
        ["cycles", 50],
        ["level"],
        ["write", at("IRQ_ENABLE"), 1],
        ["irq"],
    ]
    steps += [*finished(image), *begin(settings), ["irq"], *finished(image)]
    expected = ({"STATUS": 2}, {"STATUS": 2})
    yield Scenario(
        "again and again", contents, ports(MemoryModel(20), config), steps, image, status=expected
    )


def far_patterns(config: Config) -> Iterator[Scenario]:
    """Blocks and runs far apart: the bus answers the first that lies behind the memory with an
    error, which has its address. And answers with errors to addresses of many bits."""
    image, contents = small(config)
    settings = settings_of(image, MEM_BASE) | {"MEM_SIZE": 0xBFFF_FFFC}
    rows, memory = config.rows, ports(MemoryModel(4, None, 0.1, 12), config)
    instructions = decoded(image)
    start = image.manifest["program"]["addr"]
    for engine in (Engine.LOAD, Engine.RESIDUAL, Engine.STORE):
        index = next(i for i, f in enumerate(instructions) if f["opcode"] == engine.opcode)
        f = instructions[index]
        total = f["n_blocks"] * f["n_runs"] * f["run_len"]
        high = DEPTH - total
        half = {"n_blocks": 2, "n_runs": 1, "run_len": total // 2}
        runs = {"n_blocks": 1, "n_runs": 2, "run_len": total // 2}
        both = {"n_blocks": 2, "n_runs": 2, "run_len": total // 4}
        cases = [
            (f["addr"], half | {"block_stride": 0xAA_AAAA}, 0xAA_AAAA),
            (f["addr"], half | {"block_stride": 0x55_5555}, 0x55_5555),
            (f["addr"], half | {"block_stride": 0xFF_FFFF}, 0xFF_FFFF),
            (high, runs | {"run_stride": 0xAAAA}, 0xAAAA),
            (high, runs | {"run_stride": 0x5555}, 0x5555),
            (f["addr"], both | {"run_stride": 0x15, "block_stride": 0x99_9999}, 0x99_9999),
            (f["addr"], both | {"run_stride": 0x2A, "block_stride": 0x66_6666}, 0x66_6666),
        ]
        found = ErrorCause.WRITE_RESPONSE if engine is Engine.STORE else ErrorCause.READ_RESPONSE
        for number, (addr, fields, stride) in enumerate(cases):
            changed = contents.copy()
            code = encode(f | fields | {"addr": addr, "kept": 0})
            at = start + 32 * index
            changed[at : at + 32] = np.frombuffer(code, np.uint8)
            place = (addr + stride) * rows & 0xFFFF_FFFF
            expected = {"STATUS": 4, "ERROR_CAUSE": found, "ERROR_ENGINE": engine}
            steps = [*begin(settings), ["irq"], *finished(image)]
            yield Scenario(
                f"far {engine.name} {number}",
                changed,
                memory,
                steps,
                image,
                status=(expected | {"ERROR_ADDR": place},),
            )
    for offset, (read, write) in itertools.product(
        (0x6AAA_A000, 0x9555_5000), ((200, 0), (20, 0), (0, 1), (0, 3))
    ):
        changed, moved = contents.copy(), settings_of(image, MEM_BASE)
        move(image, changed, moved, offset)
        yield Scenario(
            f"bad {'read' if read else 'write'} {read or write} at {offset:#x}",
            changed,
            ports(MemoryModel(9, None, 0.2, 13), config, MEM_BASE + offset, read, write),
            [*begin(moved), ["irq"], *finished(image)],
            image,
            status=({"STATUS": 4},),
        )


def settings_bit_by_bit(config: Config) -> Scenario:
    """Starts that are refused for one bit, and those that just are not, of an empty program."""
    image, contents = small(config)
    good = settings_of(image, MEM_BASE) | {"PROG_COUNT": 0}
    end = {"MEM_BASE": 0xFFFF_F000, "MEM_SIZE": 0x1000}
    changes = [end, {"PROG_COUNT": 0}]
    changes += [end | {"MEM_SIZE": 0x1000 + (1 << bit)} for bit in range(32)]
    changes += [{"MEM_BASE": MEM_BASE ^ 1 << bit} for bit in range(13)]
    for name, bits in (("PROG_ADDR", range(5)), ("WRITE_BASE", range(5))):
        changes += [{name: good[name] ^ 1 << bit} for bit in bits]
    changes += [{"PROG_COUNT": 1 << bit} for bit in range(20, 32)]
    steps = []
    for change in changes:
        steps += [*begin(good | change), ["cycles", 10], ["read", at("STATUS")], ["level"]]
        steps += [["read", at("ERROR_CAUSE")]]
    return Scenario("settings bit by bit", contents, ports(MemoryModel(), config), steps, image)


def large_average(config: Config) -> Scenario:
    """Its sum has many bits: all pixels are the furthest from their zero point."""
    b = Builder(10, (3, 50, 50))
    b.graph.tensors["x"] = dataclasses.replace(b.graph.tensors["x"], zero_point=-128)
    b.average("x")
    mult, shift = quantise_factor(0.45 / 2500)
    op: Any = b.graph.ops[0]
    b.graph.ops[0] = dataclasses.replace(op, mult=mult, shift=shift)
    x = np.full((1, 3, 50, 50), 127, np.int8)
    return program(config, "large average", b, MemoryModel(2), x=x)


def long_loads(config: Config) -> Scenario:
    """LOADs of as many lines and as many words a line as there may be, and the widest borders."""
    image, _ = small(config)
    load = next(f for f in decoded(image) if f["opcode"] == Engine.LOAD.opcode)
    none = {name: 0 for name in ("top", "bottom", "left", "right", "kept", "wait_a", "wait_b")}
    code = b""
    for fields in (
        {"n_runs": 1, "run_len": 1023, "rows": 1, "cols": 1023},
        {"n_runs": 1, "run_len": 1023, "rows": 1023, "cols": 1},
        {"n_runs": 682, "run_len": 1, "run_stride": 1, "rows": 341, "cols": 2},
        {"n_runs": 1, "run_len": 4, "rows": 2, "cols": 2, "left": 15, "right": 10, "top": 5},
        {"n_runs": 1, "run_len": 4, "rows": 2, "cols": 2, "left": 5, "bottom": 15, "top": 10},
        {"n_blocks": 341, "block_stride": 2, "n_runs": 1, "run_len": 1, "rows": 1, "cols": 1},
    ):
        code += encode(load | none | {"n_blocks": 1, "addr": 0, "buf": 0} | fields)
    memory = np.random.default_rng(1).integers(0, 256, 8192).astype(np.uint8)
    memory[: len(code)] = np.frombuffer(code, np.uint8)
    settings = settings_of(image, MEM_BASE) | {"MEM_SIZE": len(memory), "WRITE_BASE": 0}
    settings |= {"PROG_ADDR": 0, "PROG_COUNT": len(code) // isa.INSTRUCTION_BYTES}
    steps = [*begin(settings), ["irq"], ["registers"]]
    expected = ({"STATUS": 2, "DONE_LOAD": len(code) // isa.INSTRUCTION_BYTES},)
    steps_memory = ports(MemoryModel(7, None, 0.1, 15), config)
    return Scenario("long loads", memory, steps_memory, steps, image, status=expected)


def full_queues(config: Config) -> Scenario:
    """An instruction that waits for ever, while the queues fill behind it."""
    b = many_images()
    image = compile_graph(b.graph, config, batch=IMAGES)
    contents = loaded(image, np.stack([b.input() for _ in range(IMAGES)]))
    settings = settings_of(image, MEM_BASE)
    instructions = decoded(image)
    index = next(i for i, f in enumerate(instructions) if f["opcode"] == Engine.RESIDUAL.opcode)
    at_byte = image.manifest["program"]["addr"] + 32 * index
    code = encode(instructions[index] | {"wait_b": 0xF_FFFF})
    contents[at_byte : at_byte + 32] = np.frombuffer(code, np.uint8)
    steps = [*begin(settings), ["cycles", 4000], ["registers"]]
    memory = ports(MemoryModel(3), config)
    return Scenario("full queues", contents, memory, steps, image, status=({"STATUS": 1},))


def many_instructions(config: Config) -> Scenario:
    """Counters of many bits: one LOAD again and again."""
    image, _ = small(config)
    load = next(f for f in decoded(image) if f["opcode"] == Engine.LOAD.opcode)
    fields = {"n_blocks": 1, "n_runs": 1, "run_len": 1, "rows": 1, "cols": 1, "kept": 0}
    fields |= {name: 0 for name in ("top", "bottom", "left", "right", "wait_a", "wait_b")}
    count = 0x6AAA
    code = np.frombuffer(encode(load | fields) * count, np.uint8)
    settings = settings_of(image, MEM_BASE)
    settings |= {"MEM_SIZE": len(code), "WRITE_BASE": len(code), "PROG_ADDR": 0}
    settings |= {"PROG_COUNT": count}
    steps = [*begin(settings), ["irq"], ["registers"]]
    expected = ({"STATUS": 2, "DONE_LOAD": count, "FETCHED": count},)
    memory = ports(MemoryModel(4), config)
    return Scenario("many instructions", code.copy(), memory, steps, image, status=expected)


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
    return [f"{scenario.name}: {text}" for text in wrong]
