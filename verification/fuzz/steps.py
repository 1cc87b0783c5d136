"""Steps of a random program, and the program that they make.

A step is what is drawn: an instruction with all that it needs. Waits, addresses of weights and the
stores that nobody drew follow from the steps before it, so any part of a program is one too: the
smallest part that fails is found by leaving steps out.
"""

import copy
from dataclasses import dataclass, field

import numpy as np

from ...compiler.functional import Checker, Machine, ScheduleError, loop_offsets
from ...compiler.program import Instruction, residual_words, weight_words, words_drained
from ...compiler.winograd import wrapped
from ...spec import winograd
from ...spec.config import Config
from ...spec.isa import LAYOUTS, WAITS, Engine
from .places import Places, places
from .streams import stream

LEAN = -1.0
HEADER = {"opcode", "wait_a", "wait_b"}


@dataclass(frozen=True)
class Step:
    """A LOAD, COMPUTE, DRAIN or STORE.

    fields:  of the instruction; those not named are 0
    slack:   for each wait how much more is waited for than is needed, 0 to 1 of what there is;
             LEAN: nothing where other waits suffice
    reads:   a drain's RESIDUAL patterns, with their slack
    seed:    of a compute's weight stream; the same one lies in memory once
    cuts:    where the stream is cut into several WEIGHTS, 0 to 1
    at:      a compute's weights are these words instead, which the program has stored
    """

    engine: str
    fields: dict[str, int]
    slack: tuple[float, float] = (0.0, 0.0)
    reads: tuple[tuple[dict[str, int], float], ...] = ()
    seed: int = 0
    cuts: tuple[float, ...] = ()
    at: int | None = None


@dataclass
class Assembler:
    """Makes instructions of steps, one after the other, and runs them on the functional model."""

    config: Config
    seed: int
    instructions: list[Instruction] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.places: Places = places(self.config)
        self.memory = initial_memory(self.config, self.seed)
        self.machine = Machine(
            self.config, self.memory, self.places.target * self.config.rows, check=True
        )
        self.weights_end = self.places.weights
        self.streams: dict[tuple[int, ...], int] = {}
        self.kept: list[tuple[np.ndarray, int]] = []  # words of kept stores, and their mirror
        self.lines = [0, 0]  # of the last COMPUTE of each bank: tiles of a row

    @property
    def checker(self) -> Checker:
        assert self.machine.checker is not None
        return self.machine.checker

    @property
    def backlog(self) -> int:
        """Words that drains have given and no store has taken."""
        return len(self.machine.output)

    def add(self, step: Step) -> None:
        """`AssertionError` where the step is not legal here; the assembler is of no use then."""
        engine = Engine[step.engine]
        fields = full(engine, step.fields)
        if engine == Engine.COMPUTE:
            if fields["winograd"]:
                self._require_rows(fields)
            self._add_weights(step, fields)
            self.lines[fields["bank"]] = fields["n_m2"]
        if engine == Engine.DRAIN:
            if self.backlog + words_drained(fields) > self.config.output_words - 2:
                self.flush()
            for pattern, slack in step.reads:
                self._issue(Engine.RESIDUAL, full(Engine.RESIDUAL, pattern), (0.0, slack))
            if len(self.machine.residual) != residual_words(fields):
                raise ScheduleError("other residuals than the drain takes")
            if fields["winograd"]:
                self._require_tiles(fields)
        self._issue(engine, fields, step.slack)
        if engine == Engine.DRAIN and fields["winograd"]:
            self._drained(fields)
        if engine == Engine.STORE and fields["kept"]:
            self.kept.append((self.machine.word_addresses(fields), fields["mirror"]))

    def try_to_add(self, step: Step) -> bool:
        """Adds a step, or leaves it out where it is not legal."""
        before = copy.deepcopy(self.__dict__)
        try:
            self.add(step)
        except AssertionError:
            self.__dict__ = before
            return False
        return True

    def flush(self) -> None:
        """Stores what is left, a word behind the other."""
        while self.backlog:
            pattern = {"addr": self.places.closing, "n_blocks": 1, "n_runs": 1}
            pattern["run_len"] = min(self.backlog, self.places.end - self.places.closing)
            self._issue(Engine.STORE, full(Engine.STORE, pattern), (0.0, 0.0))

    def _issue(self, engine: Engine, fields: dict[str, int], slack: tuple[float, float]) -> None:
        fields |= self._waits(engine, fields, slack)
        self.machine.execute(engine, fields)
        made = {name: value for name, value in fields.items() if name != "opcode"}
        self.instructions.append(Instruction(engine, made, 0))

    def initial(self, code: bytes) -> np.ndarray:
        """uint8 memory before a run, with the program ``code``."""
        memory, where, rows = initial_memory(self.config, self.seed), self.places, self.config.rows
        streams = slice(where.weights * rows, where.data * rows)
        memory[streams] = self.memory[streams]
        memory[: len(code)] = np.frombuffer(code, np.uint8)
        return memory

    # -- Winograd --------------------------------------------------------------------------------

    def tile_totals(self, bank: int, pixels: slice, channels: int) -> np.ndarray:
        """[tile][output][channels] 24-fold accumulators plus bias, modulo 2**32."""
        machine = self.machine
        acc = machine.acc[bank, pixels, :channels].reshape(-1, winograd.POSITIONS, channels)
        totals = np.einsum("jp,tpc->tjc", winograd.OUTPUT, acc)
        return wrapped(totals - machine.params[bank, 0, :channels].T)

    def _require_rows(self, fields: dict[str, int]) -> None:
        """Sums are added to those of tiles in rows as long."""
        bank = fields["bank"]
        same = self.machine.tiled[bank] and self.lines[bank] == fields["n_m2"]
        if not fields["clear"] and not same:
            raise ScheduleError("sums of tiles are added to others")

    def _require_tiles(self, fields: dict[str, int]) -> None:
        """A drain takes rows as they were computed, and sums of which there is an eighth."""
        bank, first, count = (fields[name] for name in ("bank", "px_base", "px_count"))
        line = winograd.POSITIONS * self.lines[bank]
        if winograd.tiles(fields["width"]) != self.lines[bank] or first % line:
            raise ScheduleError("other rows of tiles than were computed")
        channels = fields["n_blocks"] * self.config.rows
        if (self.tile_totals(bank, slice(first, first + count), channels) % 8).any():
            raise ScheduleError("sums of tiles whose parameters are those of others")

    def _drained(self, fields: dict[str, int]) -> None:
        """What outputs use behind a row's first ones counts as read, for loads to come."""
        bank, line = fields["bank"], winograd.POSITIONS * self.lines[fields["bank"]]
        first, stop = fields["px_base"] // line, (fields["px_base"] + fields["px_count"]) // line
        outputs = (fields["width"] - 1) % winograd.TILE
        for number, words in self.checker.beyond[bank]:
            used = words[first:stop, :outputs]
            used = used[used >= 0]
            self.checker.read_by[used] = np.maximum(self.checker.read_by[used], number)

    def _touched_words(self, fields: dict[str, int]) -> np.ndarray:
        """Words of the input buffer that a COMPUTE reads."""
        rows, words = self.config.rows, self.config.input_words
        if fields["winograd"]:
            pixels = self.machine._tile_offsets(fields)
        else:
            pixels = loop_offsets(fields, "m")
        first = pixels[:, None] + loop_offsets(fields, "k") + fields["base"]
        touched = np.unique(np.concatenate([first // rows, (first + rows - 1) // rows]))
        return touched % words if fields["winograd"] else touched[touched < words]

    # -- weights ---------------------------------------------------------------------------------

    def _add_weights(self, step: Step, fields: dict[str, int]) -> None:
        words = weight_words(fields, self.config)
        addr = self._place_stream(step, fields) if step.at is None else step.at
        ends = sorted({*(round(cut * words) for cut in step.cuts), words} - {0})
        for start, end in zip([0, *ends], ends, strict=False):
            piece = {"addr": addr + start, "length": end - start}
            self._issue(Engine.WEIGHTS, full(Engine.WEIGHTS, piece), (step.slack[0], 0.0))

    def _place_stream(self, step: Step, fields: dict[str, int]) -> int:
        key = (step.seed, *signature(fields))
        if key not in self.streams:
            data = stream(self.config, fields, step.seed)
            end = self.weights_end + len(data)
            if end > self.places.data:
                raise ScheduleError("no room for more weights")
            self.machine.words[self.weights_end : end] = data
            self.streams[key] = self.weights_end
            self.weights_end = end
        return self.streams[key]

    # -- waits -----------------------------------------------------------------------------------

    def _waits(
        self, engine: Engine, fields: dict[str, int], slack: tuple[float, float]
    ) -> dict[str, int]:
        """The least waits with which the checker lets the instruction pass, and the slack."""
        clocks = self.checker.clocks
        clock = clocks[engine][-1].copy() if clocks[engine] else np.zeros(len(Engine), np.int64)
        waits = {}
        needs = self._needs(engine, fields)
        for name, awaited, need, extra in zip(
            ("wait_a", "wait_b"), WAITS[engine], needs, slack, strict=True
        ):
            waits[name] = 0
            if awaited is None:
                continue
            if extra >= 0:
                waits[name] = need + round(extra * (len(clocks[awaited]) - need))
            elif clock[awaited] < need:
                waits[name] = need
            if waits[name]:
                clock = np.maximum(clock, clocks[awaited][waits[name] - 1])
                clock[awaited] = max(clock[awaited], waits[name])
        return waits

    def _needs(self, engine: Engine, fields: dict[str, int]) -> tuple[int, int]:
        """Which instruction of each awaited engine must be complete; 0 for none."""
        machine, checker = self.machine, self.checker
        if engine == Engine.COMPUTE:
            touched = self._touched_words(fields)
            return int(checker.filled_by[touched].max(initial=0)), checker.drained_by[
                fields["bank"]
            ]
        if engine == Engine.DRAIN:
            return checker.computed_by[fields["bank"]], 0
        if engine == Engine.WEIGHTS:
            end = fields["addr"] + fields["length"]
            stored = int(checker.stored_by[fields["addr"] : end].max())
            clocks = checker.clocks[Engine.LOAD]
            sure = [i for i, clock in enumerate(clocks, 1) if clock[Engine.STORE] >= stored]
            return (sure[0] if stored and sure else 0), 0
        words = machine.word_addresses(fields)
        if engine == Engine.STORE:
            places = machine.scratch_words(fields, words)
            loads, residuals = (
                max(
                    int(checker.memory_read_by[reader][words].max()),
                    0 if places is None else int(checker.kept_read_by[reader][places].max()),
                )
                for reader in (Engine.LOAD, Engine.RESIDUAL)
            )
            return loads, residuals
        stored = int(checker.stored_by[words].max())
        if engine == Engine.RESIDUAL:
            return 0, stored
        return int(checker.read_by[fields["buf"] : _load_end(fields)].max(initial=0)), stored


def signature(fields: dict[str, int]) -> tuple[int, ...]:
    """What a COMPUTE's weight stream is made for."""
    return tuple(fields[name] for name in ("k_tiles", "params", "table", "winograd"))


def full(engine: Engine, fields: dict[str, int]) -> dict[str, int]:
    """Every field of an instruction."""
    made = {f.name: 0 for f in LAYOUTS[engine]} | {k: int(v) for k, v in fields.items()}
    return made | {"opcode": engine.opcode}


def _load_end(fields: dict[str, int]) -> int:
    lines = fields["top"] + fields["rows"] + fields["bottom"]
    return fields["buf"] + fields["n_blocks"] * lines * (
        fields["left"] + fields["cols"] + fields["right"]
    )


def initial_memory(config: Config, seed: int) -> np.ndarray:
    """uint8 memory before the program and its weights are there: data, and in what may be written
    something that is easily told from it."""
    where = places(config)
    memory = np.zeros((where.end, config.rows), np.uint8)
    rng = np.random.default_rng(seed)
    memory[where.data : where.target] = rng.integers(
        0, 256, (where.target - where.data, config.rows)
    )
    memory[where.target :] = np.arange(where.end - where.target)[:, None] % 251
    return memory.reshape(-1)
