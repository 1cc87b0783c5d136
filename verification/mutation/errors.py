"""Registers, errors and resets."""

import itertools
from collections.abc import Iterator

import numpy as np

from resarray.sim.memory_model import MemoryModel
from resarray.spec.config import Config
from resarray.spec.isa import Engine
from resarray.spec.memory import settings_of
from resarray.spec.registers import ADDRESS_BITS, PROFILE_OFFSET, REGISTERS, ErrorCause

from .scenario import (
    DEPTH,
    MEM_BASE,
    SETTINGS,
    Scenario,
    at,
    begin,
    decoded,
    edited,
    encode,
    finished,
    first_of,
    identity,
    move,
    ports,
    small,
)


def registers(config: Config) -> Scenario:
    """Every writable register with both patterns, byte by byte, at all paces; what is not there."""
    image, contents = small(config)
    steps = identity()
    writable = [r.offset for r in REGISTERS.values() if r.access == "rw"]
    for pace, pattern in zip(
        ((0, 0, 0), (3, 0, 2), (0, 4, 1), (1, 1, 7), (0, 0, 0, 1), (2, 1, 3, 1)),
        (0x55AA_33CC, 0xAA55_CC33, 0xFFFF_FFFF, 0x0000_0000, 0x3CC3_A5A5, 0),
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

    def with_first(engine: Engine, **fields: int) -> np.ndarray:
        index = first_of(instructions, engine)
        return edited(image, contents, index, encode(instructions[index] | fields, engine))

    for opcode in (0, 7, 9, 15):
        yield ends(
            f"opcode {opcode}",
            with_first(Engine.COMPUTE, opcode=opcode),
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
        in_memory = {"kept": 0} if engine is Engine.RESIDUAL else {}
        for place in places:
            yield ends(
                f"{engine.name} at {place:#x}",
                with_first(engine, addr=place, **in_memory),
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
    for kind, beats, found in (
        ("read", (1, 9, 40, 90, 150), ErrorCause.READ_RESPONSE),
        ("write", (1, 2), ErrorCause.WRITE_RESPONSE),
    ):
        for beat in beats:
            bad_beat = ports(memory, config, **{kind: beat})
            yield ends(f"bad {kind} {beat}", contents, settings, bad_beat, ERROR_CAUSE=found)
    for engine, fields in (
        (Engine.DRAIN, {"wait_a": 0xF_FFFF}),
        (Engine.LOAD, {"wait_b": 0xA_AAAA}),
        (Engine.COMPUTE, {"wait_b": 0x5_5555}),
        (Engine.STORE, {"wait_a": 0x8_0000}),
        (Engine.WEIGHTS, {"length": 1}),
    ):
        yield Scenario(
            f"{engine.name} waits for ever",
            with_first(engine, **fields),
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
    error, which has its address; STOREs far apart within the memory too. And answers with errors to
    addresses of many bits."""
    image, contents = small(config)
    settings = settings_of(image, MEM_BASE) | {"MEM_SIZE": 0xBFFF_FFFC}
    rows, memory = config.rows, ports(MemoryModel(4, None, 0.1, 12), config)
    instructions = decoded(image)
    for engine in (Engine.LOAD, Engine.RESIDUAL, Engine.STORE):
        index = first_of(instructions, engine)
        f = instructions[index]
        total = f["n_blocks"] * f["n_runs"] * f["run_len"]
        high = DEPTH - total
        half = {"n_blocks": 2, "n_runs": 1, "run_len": total // 2}
        runs = {"n_blocks": 1, "n_runs": 2, "run_len": total // 2}
        both = {"n_blocks": 2, "n_runs": 2, "run_len": total // 4}
        cases: list[tuple[int, dict[str, int], int | None]] = [
            (f["addr"], half | {"block_stride": 0xAA_AAAA}, 0xAA_AAAA),
            (f["addr"], half | {"block_stride": 0x55_5555}, 0x55_5555),
            (f["addr"], half | {"block_stride": 0xFF_FFFF}, 0xFF_FFFF),
            (high, runs | {"run_stride": 0xAAAA}, 0xAAAA),
            (high, runs | {"run_stride": 0x5555}, 0x5555),
            (f["addr"], both | {"run_stride": 0x15, "block_stride": 0x99_9999}, 0x99_9999),
            (f["addr"], both | {"run_stride": 0x2A, "block_stride": 0x66_6666}, 0x66_6666),
        ]
        if engine is Engine.STORE:  # what the others would read there is left from before
            cases += [
                (0x1_5555, half | {"block_stride": 0x5_5555}, None),
                (0x2_AAAA, half | {"block_stride": 0x2_AAAA}, None),
            ]
        found = ErrorCause.WRITE_RESPONSE if engine is Engine.STORE else ErrorCause.READ_RESPONSE
        for number, (addr, fields, stride) in enumerate(cases):
            code = encode(f | fields | {"addr": addr, "kept": 0})
            changed = edited(image, contents, index, code)
            # Of a STORE elsewhere its own place keeps what was there before: only the status tells.
            expected = {"STATUS": 2}
            ending: list[list] = [["idle"], ["registers"], ["memory", 0, 8]]
            if stride is not None:
                ending = finished(image)
                expected = {"STATUS": 4, "ERROR_CAUSE": found, "ERROR_ENGINE": engine}
                expected |= {"ERROR_ADDR": (addr + stride) * rows & 0xFFFF_FFFF}
            steps = [*begin(settings), ["irq"], *ending]
            yield Scenario(
                f"far {engine.name} {number}",
                changed,
                memory,
                steps,
                image,
                status=(expected,),
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


def elsewhere(config: Config) -> Scenario:
    """What is written to an address that differs from a register's in one bit is lost."""
    image, contents = small(config)
    taken = {r.offset for r in REGISTERS.values()}
    writable = [r.offset for r in REGISTERS.values() if r.access == "rw"]
    steps = identity()
    for bit in range(2, ADDRESS_BITS):
        places = {offset ^ 1 << bit for offset in writable} - taken
        steps += [["write", place, 0x1234_5678 * bit & 0xFFFF_FFFF] for place in sorted(places)]
        steps += [["read", offset] for offset in writable]
    steps += [["registers"], ["memory", 0, 8]]
    model = ports(MemoryModel(), config)
    return Scenario("elsewhere", contents, model, steps, image, status=({"STATUS": 0},))


def late_errors(config: Config) -> Iterator[Scenario]:
    """Answers with errors to reads and writes whose addresses had to wait."""
    image, contents = small(config)
    settings = settings_of(image, MEM_BASE)
    steps = [*begin(settings), ["irq"], *finished(image)]
    for kind, beats, found in (
        ("read", (2, 17, 30, 55, 75, 110, 130, 170), ErrorCause.READ_RESPONSE),
        ("write", (1, 2, 3, 4), ErrorCause.WRITE_RESPONSE),
    ):
        expected = {"STATUS": 4, "ERROR_CAUSE": found}
        for beat in beats:
            model = MemoryModel(11, None, 0.6, 40 + beat, late=True, jitter=True)
            bad_beat = ports(model, config, **{kind: beat})
            name = f"late bad {kind} {beat}"
            yield Scenario(name, contents, bad_beat, steps, image, status=(expected,))


def settings_while_busy(config: Config) -> Scenario:
    """Settings stay as they were at the start, whatever is written while a program runs."""
    image, contents = small(config)
    settings = settings_of(image, MEM_BASE)
    steps = begin(settings)
    for name in SETTINGS:
        if name != "IRQ_ENABLE":
            steps += [["write", at(name), ~settings[name] & 0xFFFF_FFFF], ["read", at(name)]]
    steps += [["read", at("STATUS")], ["irq"], *finished(image)]
    memory = ports(MemoryModel(60), config)
    expected = ({"STATUS": 2} | {name: settings[name] for name in SETTINGS if name in settings},)
    return Scenario("settings while busy", contents, memory, steps, image, status=expected)
