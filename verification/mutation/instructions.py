"""Programs whose instructions no compiler makes: edited ones, and random ones."""

import dataclasses
import itertools
from collections import Counter
from collections.abc import Iterator

import numpy as np

from resarray.compiler.compile import compile_graph
from resarray.compiler.functional import ScheduleError
from resarray.sim.memory_model import MemoryModel
from resarray.spec import isa
from resarray.spec.config import Config
from resarray.spec.isa import Engine
from resarray.spec.memory import settings_of
from resarray.spec.registers import PROFILE_FIELDS, PROFILE_OFFSET
from tests.compiler.reference import Builder

from ..fuzz import programs
from . import graphs
from .scenario import (
    DEPTH,
    MEM_BASE,
    Scenario,
    begin,
    decoded,
    edited,
    encode,
    finished,
    first_of,
    loaded,
    ports,
    program,
    small,
)

IMAGES = 300
PROGRAMS = 16
MET_BITS = 5  # of a number that a small program may reach


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
    steps = [*begin(settings), ["irq"], ["registers"], ["memory", 0, 8]]
    expected = ({"STATUS": 2, "DONE_LOAD": len(code) // isa.INSTRUCTION_BYTES},)
    steps_memory = ports(MemoryModel(7, None, 0.1, 15), config)
    return Scenario("long loads", memory, steps_memory, steps, image, status=expected)


def full_queues(config: Config) -> Scenario:
    """An instruction that waits for ever, while the queues fill behind it."""
    b = graphs.many_images()
    image = compile_graph(b.graph, config, batch=IMAGES)
    contents = loaded(image, np.stack([b.input() for _ in range(IMAGES)]))
    settings = settings_of(image, MEM_BASE)
    instructions = decoded(image)
    index = first_of(instructions, Engine.RESIDUAL)
    code = encode(instructions[index] | {"wait_b": 0xF_FFFF})
    contents = edited(image, contents, index, code)
    steps = [*begin(settings), ["cycles", 4000], ["registers"], ["memory", 0, 8]]
    memory = ports(MemoryModel(3), config)
    return Scenario("full queues", contents, memory, steps, image, status=({"STATUS": 1},))


def full_queue(config: Config) -> Scenario:
    """Of each engine: an instruction that waits for ever, and more of the same than its queue
    holds."""
    image, contents = small(config)
    settings = settings_of(image, MEM_BASE)
    instructions = decoded(image)
    count = config.queue_depth + 8
    size = count * isa.INSTRUCTION_BYTES
    code, steps = b"", []
    for engine, awaited in isa.WAITS.items():
        name = "wait_a" if awaited[0] is not None else "wait_b"
        waiting = instructions[first_of(instructions, engine)] | {name: 0xF_FFFF}
        place = {"PROG_ADDR": settings["MEM_SIZE"] + len(code), "PROG_COUNT": count}
        code += encode(waiting) * count
        whole = {"MEM_SIZE": settings["MEM_SIZE"] + size * len(isa.WAITS)}
        steps += [*begin(settings | place | whole), ["cycles", 1500], ["registers"]]
        steps += [["memory", 0, 8], ["level"], ["reset", 1]]
    memory = np.concatenate([contents, np.frombuffer(code, np.uint8)])
    waits_for_ever = ({"STATUS": 1},) * len(isa.WAITS)
    model = ports(MemoryModel(), config)
    return Scenario("full queue", memory, model, steps, image, status=waits_for_ever)


def far_steps(config: Config) -> Iterator[Scenario]:
    """Bits of the loops' steps that reach beyond the input buffer do not count."""
    inside = config.input_words * config.rows - 1
    for ones in (0x5_5555, 0xA_AAAA, 0xF_FFFF):

        def change(fields: dict[str, int], ones: int = ones) -> dict[str, int]:
            layout = isa.LAYOUTS[Engine(fields["opcode"] - 1)]
            steps = [f for f in layout if f.name.startswith("s_")]
            return fields | {
                f.name: fields[f.name] & inside | ones & ~inside & f.range[1] for f in steps
            }

        name = f"far steps {ones:#x}"
        yield program(config, name, graphs.strides(), MemoryModel(4), change=change)


def marks(config: Config) -> Scenario:
    """Every COMPUTE ends a layer: more than there are records for; these are read at all bytes of a
    word."""

    def change(fields: dict[str, int]) -> dict[str, int]:
        return fields | {"mark": 1} if "mark" in fields else fields

    images = 2 * config.profile_marks
    model = MemoryModel(3)
    found = program(config, "marks", graphs.large_map(), model, batch=images, change=change)
    steps = list(found.steps)
    place = next(i for i, step in enumerate(steps) if step[0] == "profile")
    words = config.profile_marks * len(PROFILE_FIELDS)
    steps[place : place + 1] = [["profile", PROFILE_OFFSET + byte, words] for byte in range(4)]
    return dataclasses.replace(found, steps=steps)


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
    # In the middle of it, when counters have other bits.
    steps = [*begin(settings), ["cycles", 140_000], ["registers"], ["irq"]]
    steps += [["registers"], ["memory", 0, 8]]
    expected = ({"STATUS": 1}, {"STATUS": 2, "DONE_LOAD": count, "FETCHED": count})
    memory = ports(MemoryModel(4), config)
    return Scenario("many instructions", code.copy(), memory, steps, image, status=expected)


def waits(config: Config) -> Iterator[Scenario]:
    """Each bit of each wait of each engine, by a program that does not end for it where so much is
    never done; the next program comes after a reset."""
    for engine, names in isa.WAITS.items():
        for name, awaited in zip(("wait_a", "wait_b"), names, strict=True):
            if awaited is not None:
                yield _endless(config, engine, name)


def missing_weights(config: Config) -> Scenario:
    """Each bit of how many k-tiles a COMPUTE wants weights for: more than there are."""
    return _endless(config, Engine.COMPUTE, "k_tiles")


def _endless(config: Config, engine: Engine, name: str) -> Scenario:
    """The first instruction of ``engine`` with one more bit of ``name`` set, one after another;
    from bit `MET_BITS` on its program does not end, and the next one comes after a reset."""
    image, contents = small(config)
    settings = settings_of(image, MEM_BASE)
    instructions = decoded(image)
    size = len(instructions) * isa.INSTRUCTION_BYTES
    index = first_of(instructions, engine)
    bits = next(f.width for f in isa.LAYOUTS[engine] if f.name == name)
    code, steps = b"", []
    for bit in range(bits):
        place = {"PROG_ADDR": settings["MEM_SIZE"] + len(code)}
        changed = instructions.copy()
        changed[index] = instructions[index] | {name: instructions[index][name] | 1 << bit}
        code += b"".join(map(encode, changed))
        whole = {"MEM_SIZE": settings["MEM_SIZE"] + size * bits}
        steps += [*begin(settings | place | whole), ["cycles", 1500]]
        steps += [["registers"], ["memory", 0, 8], ["level"], ["reset", 1]]
    memory = np.concatenate([contents, np.frombuffer(code, np.uint8)])
    status: tuple[dict[str, int], ...] = ({},) * MET_BITS + ({"STATUS": 1},) * (bits - MET_BITS)
    model = ports(MemoryModel(), config)
    return Scenario(f"{engine.name} {name}", memory, model, steps, image, status=status)


def unused(config: Config) -> Iterator[Scenario]:
    """Steps of loops that have one round, and fields of what is not done, may be anything."""
    for ones in (0x5555_5555, 0xAAAA_AAAA, 0xFFFF_FFFF):

        def change(fields: dict[str, int], ones: int = ones) -> dict[str, int]:
            if "n_m0" in fields:
                loops = ("k0", "k1", "k2", "m0", "m1", "m2")
                names = [f"s_{n}" for n in loops if fields[f"n_{n}"] == 1]
            elif "n_runs" in fields:
                pairs = {"n_blocks": "block_stride", "n_runs": "run_stride"}
                names = [stride for n, stride in pairs.items() if fields[n] == 1]
                names += [] if fields["kept"] else ["mirror"]
            elif "px_count" in fields:
                names = [] if fields["res_en"] else ["res_mult", "res_shift"]
                if fields["pool"] != isa.Pool.AVERAGE:
                    names += ["avg_bias", "avg_mult", "avg_shift"]
            else:
                names = []
            layout = isa.LAYOUTS[Engine(fields["opcode"] - 1)]
            return fields | {f.name: ones & f.range[1] for f in layout if f.name in names}

        memory = MemoryModel(4, None, 0.1, 17)
        name = f"unused fields {ones:#x}"
        yield program(config, name, graphs.residual(), memory, change=change)


def exchanged(config: Config) -> Scenario:
    """The rounds of one loop by the next one around it, where that has a single round."""

    def change(fields: dict[str, int]) -> dict[str, int]:
        found: dict[str, int] = {}
        if fields.get("winograd"):
            return fields  # its innermost loops are not like the others
        for outer, middle, inner in (("k0", "k1", "k2"), ("m0", "m1", "m2")):
            fits = fields.get(f"n_{middle}", 32) < 32 and fields.get(f"n_{inner}", 32) < 32
            if fits and fields[f"n_{outer}"] == 1:
                for to, of in ((outer, middle), (middle, inner)):
                    found |= {f"n_{to}": fields[f"n_{of}"], f"s_{to}": fields[f"s_{of}"]}
                found |= {f"n_{inner}": 1}
        return fields | found

    return program(config, "exchanged", graphs.strides(), MemoryModel(4), change=change)


def unaligned(config: Config) -> Iterator[Scenario]:
    """Steps a little shorter than they should be, in all loops, so that they are no multiples of a
    word: what comes out means nothing."""
    for short in (1, 2, 3, 5):

        def change(fields: dict[str, int], short: int = short) -> dict[str, int]:
            return {f: max(0, v - short) if f.startswith("s_") else v for f, v in fields.items()}

        found = program(
            config, f"unaligned {short}", graphs.strides(), MemoryModel(4), change=change
        )
        yield dataclasses.replace(found, golden={})


def half_kept(config: Config) -> Scenario:
    """Every other read of the scratchpad is one of memory."""
    seen: Counter[int] = Counter()

    def change(fields: dict[str, int]) -> dict[str, int]:
        opcode = fields["opcode"]
        if opcode not in (Engine.LOAD.opcode, Engine.RESIDUAL.opcode) or not fields["kept"]:
            return fields
        seen[opcode] += 1
        return fields | {"kept": seen[opcode] % 2}

    return program(config, "half kept", graphs.sums(), MemoryModel(9, None, 0.1, 21), change=change)


def long_store(config: Config) -> Scenario:
    """Of as many runs as there may be, for many DRAINs."""
    scenario = _one_store(config, "long store", {"wait_a": 0, "wait_b": 0})
    words = len(scenario.memory) // config.rows
    steps: list[list] = [["irq"], ["idle"], ["registers"], ["memory", 0, words - 1]]
    status = ({"STATUS": 2, "DONE_STORE": 1},)
    return dataclasses.replace(scenario, steps=scenario.steps + steps, status=status)


def full_output(config: Config) -> Scenario:
    """A STORE that waits for ever, while the FIFOs before it fill."""
    scenario = _one_store(config, "full output", {"wait_a": 0xF_FFFF, "wait_b": 0})
    steps: list[list] = [["cycles", 24_000], ["registers"], ["memory", 0, 8]]
    return dataclasses.replace(scenario, steps=scenario.steps + steps, status=({"STATUS": 1},))


def _one_store(config: Config, name: str, waits: dict[str, int]) -> Scenario:
    """1023 words by one STORE, which comes before the DRAINs, up to its start."""
    b = Builder(16, (4, 2, 2))
    b.conv("x", 4, (1, 1))
    image = compile_graph(b.graph, config)
    contents = loaded(image, b.input()[None])
    settings = settings_of(image, MEM_BASE)
    first = {f["opcode"]: f for f in reversed(decoded(image))}
    start = [first[e.opcode] for e in (Engine.LOAD, Engine.WEIGHTS, Engine.COMPUTE)]
    drain = first[Engine.DRAIN.opcode] | {"res_en": 0, "pool": int(isa.Pool.NONE), "px_base": 0}
    drain |= {"width": 1, "height": 1, "px_count": 1}
    blocks = [n for n in range(config.column_blocks, 0, -1) for _ in range(5)]
    drains = [drain | {"n_blocks": n} for n in (*blocks, *[1] * (1023 - sum(blocks)))]
    store = first[Engine.STORE.opcode] | {"addr": settings["WRITE_BASE"] // config.rows} | waits
    store |= {"n_blocks": 1, "n_runs": 1023, "run_len": 1, "run_stride": 1, "kept": 0}
    code = b"".join(map(encode, [*start, store, *drains]))
    size = settings["MEM_SIZE"] + 1023 * config.rows
    memory = np.zeros(size + len(code), np.uint8)
    memory[: len(contents)] = contents
    memory[size:] = np.frombuffer(code, np.uint8)
    settings |= {"MEM_SIZE": len(memory), "PROG_ADDR": size}
    settings |= {"PROG_COUNT": len(code) // isa.INSTRUCTION_BYTES}
    return Scenario(name, memory, ports(MemoryModel(5), config), begin(settings), image)


def drawn(config: Config) -> Iterator[Scenario]:
    """Random programs: what memory holds after them is the functional model's."""
    memories = itertools.cycle(
        [MemoryModel(2, None, 0.3, 18), MemoryModel(80), MemoryModel(25, 2.5, 0.2, 19)]
    )
    wanted = PROGRAMS
    for seed in itertools.count():
        if not wanted:
            return
        try:
            found = programs.assemble(config, programs.draw(config, seed)[0])
        except ScheduleError:
            continue
        if len(found.image.payload) > config.rows * DEPTH or len(found.instructions) < 40:
            continue
        wanted -= 1
        contents = np.frombuffer(found.image.payload, np.uint8)
        settings = settings_of(found.image, MEM_BASE)
        steps = [*begin(settings), ["irq"], *finished(found.image)]
        yield Scenario(
            f"program {seed}",
            contents,
            ports(next(memories), config),
            steps,
            found.image,
            status=({"STATUS": 2, "ERROR_CAUSE": 0},),
            left=found.expected[found.image.manifest["write_base"] :],
        )
