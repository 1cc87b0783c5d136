"""Cost model: when each instruction starts and ends, without executing it.

The engines are simulated from event to event as fluids: between two events every active engine has
a constant rate, limited by the memory port (fair shares) and by the FIFOs between engines.
Instructions are read from memory too and dealt out in order into queues of limited depth. Whether a
program ends at all is `liveness`'s question.
"""

import heapq
import itertools
from collections import deque
from dataclasses import dataclass

from resarray.spec import winograd
from resarray.spec.config import Config
from resarray.spec.isa import WAITS, Engine, Pool

from . import rates
from .liveness import Deadlock
from .program import Instruction, residual_words, weight_words, words_given
from .timing import BURST_CYCLES, READ_OVERHEAD, MemoryTiming

WRITE_OVERHEAD = 11  # cycles of a write besides the memory's latency
KEPT_LATENCY = 12  # cycles of a read from the scratchpad
SMALL = 1e-6  # words or cycles: tolerance of levels and times

LOAD, WEIGHTS, RESIDUAL, COMPUTE, DRAIN, STORE = (int(engine) for engine in Engine)
FETCH = len(Engine)  # the instruction fetch's number among the readers
_AWAITED = [tuple(None if a is None else int(a) for a in WAITS[engine]) for engine in Engine]


@dataclass(frozen=True)
class Prediction:
    """``total``: cycles of the program; ``marks``: cycle at which each layer's last compute is
    complete."""

    total: int
    marks: list[int]

    @property
    def layer_cycles(self) -> list[int]:
        """Cycles from mark to mark; the last layer ends with the program."""
        return [b - a for a, b in itertools.pairwise([0, *self.marks[:-1], self.total])]


def predict(
    instructions: list[Instruction], config: Config, timing: MemoryTiming | None = None
) -> Prediction:
    """Timing of a program on ``config``; `Deadlock` when it cannot finish."""
    return _Simulation(instructions, config, timing or MemoryTiming()).run()


class _Fifo:
    """Words between two engines; ``change`` is the net flow per cycle."""

    def __init__(self, capacity: int):
        self.capacity = float(capacity)
        self.level = 0.0
        self.change = 0.0
        self.empty, self.full = True, False

    def event(self, mark: float = 0.0) -> float:
        """Cycles until it is full or empty, or at ``mark``."""
        if self.change > SMALL and self.level < mark - SMALL:
            return (mark - self.level) / self.change
        if self.change > SMALL and not self.full:
            return (self.capacity - self.level) / self.change
        if self.change < -SMALL and self.level > mark + SMALL:
            return (self.level - mark) / -self.change
        if self.change < -SMALL and not self.empty:
            return self.level / -self.change
        return float("inf")

    def advance(self, step: float) -> None:
        if self.change:
            self.put(self.change * step)

    def take(self, words: float) -> None:
        self.put(-words)

    def put(self, words: float) -> None:
        self.level = min(self.capacity, max(0.0, self.level + words))
        self.empty = self.level <= SMALL
        self.full = self.level >= self.capacity - SMALL


class _Job:
    """An instruction being executed: ``left`` cycles at full rate; it takes ``taken`` and gives
    ``given`` words, spread evenly. Its completion is seen ``latency`` cycles later."""

    def __init__(self, work: float, latency: int, taken: float = 0, given: float = 0):
        self.left = work = max(1.0, work)
        self.latency = latency
        self.mark = False
        self.kept = False
        self.begin = 0.0  # when its words can come
        self.take_rate = taken / work
        self.give_rate = given / work
        self.rate = 0.0


class _Simulation:
    def __init__(self, instructions: list[Instruction], config: Config, timing: MemoryTiming):
        self.config = config
        self.rate = timing.words_per_cycle(config.rows)
        self.latency = timing.latency
        self.read_latency = timing.latency + READ_OVERHEAD
        self.reading = timing.read_rate(config)
        self.reading_weights = timing.read_rate(config, config.weight_words)
        self.reading_residual = timing.read_rate(config, config.residual_words)
        self.write_latency = timing.latency + WRITE_OVERHEAD
        self.program = instructions
        self.fetched = 0
        self.next_fetch = float(self.read_latency)
        # Words of instructions read but not yet dealt out, and those still to be read.
        self.code = _Fifo(max(2 * config.burst_words, 2 * config.instruction_words))
        self.code_left = float(len(instructions) * config.instruction_words)
        self.now = 0.0
        self.queues: list[deque[tuple[Instruction, int]]] = [deque() for _ in Engine]
        self.jobs: list[_Job | None] = [None for _ in Engine]
        self.done = [0 for _ in Engine]
        self.completions: list[tuple[float, int, int, bool]] = []
        self.sequence = itertools.count()
        self.marks: list[int] = []
        self.weights = _Fifo(config.weight_words)
        # Words of instructions and of weights from which on their readers stand back behind a LOAD.
        self.ample_code = self.code.capacity / 8
        self.ample_weights = config.weight_words / 8
        self.residual = _Fifo(config.residual_words)
        self.output = _Fifo(config.output_words)
        # Since when the weights' reader asks for what its FIFO has room for; None: it does not.
        self.flowing: float | None = None
        self.ended = [-1.0 for _ in Engine]  # when each engine's last job did
        # When the last compute's words are in the array, at the earliest; and how long before its
        # end those of the next one can begin to follow.
        self.shifted = self.hidden = 0.0

    def run(self) -> Prediction:
        while True:
            self._complete()
            self._fetch()
            self._start()
            idle = self.fetched == len(self.program) and not self.completions
            if idle and not any(self.jobs) and not any(self.queues):
                return Prediction(round(self.now), self.marks)
            self._set_rates()
            self._advance(self._step())

    def _complete(self) -> None:
        while self.completions and self.completions[0][0] <= self.now + SMALL:
            time, _, engine, mark = heapq.heappop(self.completions)
            self.done[engine] += 1
            if mark:
                self.marks.append(round(time))

    def _fetch(self) -> None:
        words = self.config.instruction_words
        while self.fetched < len(self.program) and self.next_fetch <= self.now + SMALL:
            instruction = self.program[self.fetched]
            queue = self.queues[instruction.engine]
            if len(queue) >= self.config.queue_depth or self.code.level < words - SMALL:
                return
            self.fetched += 1
            self.code.take(words)
            queue.append((instruction, words_given(instruction)))
            self.next_fetch = self.now + words

    def _start(self) -> None:
        for engine, queue in enumerate(self.queues):
            if queue and self.jobs[engine] is None and self._ready(engine, queue[0][0].fields):
                self.jobs[engine] = self._job(engine, *queue.popleft())

    def _ready(self, engine: int, fields: dict[str, int]) -> bool:
        a, b = _AWAITED[engine]
        return (a is None or self.done[a] >= fields.get("wait_a", 0)) and (
            b is None or self.done[b] >= fields.get("wait_b", 0)
        )

    def _job(self, engine: int, instruction: Instruction, given: int) -> _Job:
        f, words = instruction.fields, instruction.words
        if engine in (LOAD, WEIGHTS, RESIDUAL):
            work = words
            if engine == LOAD:
                lines = f["top"] + f["rows"] + f["bottom"]
                work = f["n_blocks"] * lines * (f["left"] + f["cols"] + f["right"])
            latency = KEPT_LATENCY if instruction.kept else self.read_latency
            job = _Job(work, latency, given=words)
            job.kept = instruction.kept
            # One that follows the one before at once has asked behind that.
            if engine != WEIGHTS and not job.kept and self.ended[engine] < self.now - SMALL:
                behind = self._in_flight() / (self.rate or 1.0)
                job.begin = self.now + max(0.0, behind - self.latency)
            return job
        if engine == COMPUTE:
            return self._compute_job(f)
        if engine == DRAIN:
            work = rates.drain(f["px_count"], f["n_blocks"], self.config)
            if f.get("pool") == Pool.MAX:
                work = max(work, rates.max_pool(f))
            work += rates.DRAIN_LATENCY + self.config.column_groups
            work += rates.MULTIPLY_LATENCY if f.get("multiply") else 0
            work += rates.TABLE_LATENCY if f.get("table") else 0
            if self.config.winograd:
                work += rates.WINOGRAD_LATENCY
            if f.get("winograd"):
                work += rates.TILE_LATENCY + winograd.TILE * self.config.block_groups
            return _Job(work, 4, taken=residual_words(f), given=given)
        return _Job(words, self.write_latency, taken=words)

    def _in_flight(self) -> float:
        """Words of weights that have been asked for: what is asked for now comes behind them."""
        reading = self.jobs[WEIGHTS]
        if self.flowing is None or reading is None:
            return 0.0
        config = self.config
        left = reading.left * reading.give_rate
        left += sum(instruction.words for instruction, _ in self.queues[WEIGHTS])
        asked = (self.now - self.flowing) * config.burst_words / BURST_CYCLES
        room = self.weights.capacity - self.weights.level
        return min(asked, room, left, config.max_reads * config.burst_words)

    def _compute_job(self, f: dict[str, int]) -> _Job:
        config = self.config
        k_tiles, tiles = f["k_tiles"], bool(f.get("winograd"))
        accumulators = f["n_m0"] * f["n_m1"] * f["n_m2"] * (winograd.POSITIONS if tiles else 1)
        params = rates.parameters(config, tiles) if f["params"] else 0
        params += rates.table() if f.get("table") else 0
        # The words of its weights follow those of the compute before: from when there are slots
        # for them, and when that one has begun.
        ahead = 0.0
        if self.ended[COMPUTE] >= self.now - SMALL:
            ahead = min(self.now - self.shifted, self.hidden)
        work = rates.compute(k_tiles, accumulators, params, ahead, config, tiles)
        shift = k_tiles * rates.weights(config, tiles) + params
        self.shifted = self.now - ahead + shift
        stream = rates.k_tile(accumulators, config, tiles)
        self.hidden = min(work, rates.lead(tiles) * stream)
        latency = config.rows + config.columns + 12
        if config.winograd:
            latency += rates.INPUT_LATENCY
        job = _Job(work, latency, taken=weight_words(f, config))
        job.mark = bool(f["mark"])
        return job

    def _set_rates(self) -> None:
        """Rates of all jobs, in cycles of their work per cycle, and the FIFOs' flows."""
        load, weights, residual, compute, drain, store = self.jobs
        # What waits behind other words takes no part yet.
        load, residual = (
            job if job is not None and job.begin <= self.now + SMALL else None
            for job in (load, residual)
        )
        use_weights = compute.take_rate if compute else 0.0
        use_residual = drain.take_rate if drain else 0.0
        # (words per cycle, reader) of memory's readers, and of the scratchpad's.
        demands: list[tuple[float, int]] = []
        kept: list[tuple[float, int]] = []
        loading = bool(load and not load.kept)
        held = loading and self.code.level > self.ample_code - SMALL
        if self.code_left > SMALL and not self.code.full and not held:
            demands.append((1.0, FETCH))
        if load:
            (kept if load.kept else demands).append((load.give_rate, LOAD))
        if weights:
            demands.append((self._wanted_weights(loading, use_weights), WEIGHTS))
        if residual:
            wanted = use_residual if self.residual.full else self.reading_residual
            (kept if residual.kept else demands).append((wanted, RESIDUAL))
        reads, writes = self._port(min(self.reading, sum(d for d, _ in demands)), store)
        self.code.change = 0.0
        for share, engine in _fair(demands, reads) + _fair(kept, 1.0):
            if engine == FETCH:
                self.code.change = share
            else:
                reading = self.jobs[engine]
                assert reading is not None  # it demanded
                reading.rate = share / reading.give_rate
        read_weights = weights.rate if weights else 0.0
        read_residual = residual.rate if residual else 0.0
        if compute:
            compute.rate = _limited(compute, self.weights, read_weights)
        if drain:
            drain.rate = _limited(drain, self.residual, read_residual)
            if self.output.full and drain.give_rate > 0:
                drain.rate = min(drain.rate, (writes if store else 0.0) / drain.give_rate)
        if residual and self.residual.full:
            # The output may hold back the drain.
            read_residual = min(read_residual, drain.rate * use_residual if drain else 0.0)
            residual.rate = read_residual / residual.give_rate
        drained = drain.rate * drain.give_rate if drain else 0.0
        if store:
            store.rate = min(writes, _limited(store, self.output, drained))
        if read_weights <= SMALL:
            self.flowing = None
        elif self.flowing is None:
            self.flowing = self.now
        self.weights.change = read_weights - (compute.rate * use_weights if compute else 0.0)
        self.residual.change = read_residual - (drain.rate * use_residual if drain else 0.0)
        self.output.change = drained - (store.rate if store else 0.0)

    def _wanted_weights(self, loading: bool, use: float) -> float:
        """Words per cycle that the weights' reader asks for; the array takes ``use``."""
        spare = self.weights.level - self.ample_weights
        if loading and spare > SMALL:
            return 0.0
        most = self.reading_weights
        return min(most, use) if self.weights.full or (loading and spare > -SMALL) else most

    def _port(self, reads: float, store: _Job | None) -> tuple[float, float]:
        """Words per cycle that reads may take, who want ``reads``, and writes: half each where
        both want more than there is."""
        if self.rate is None:
            return self.reading, 1.0
        writes = 0.0
        if store:
            # What the drain gives, before its new rate is known, or all that has gathered.
            drain = self.jobs[DRAIN]
            given = drain.give_rate * (drain.rate or 1.0) if drain else 0.0
            writes = min(self.rate, given if self.output.empty else 1.0)
        shares = dict((who, share) for share, who in _fair([(reads, 0), (writes, 1)], self.rate))
        return shares[0], max(shares[1], self.rate - shares[0])

    def _step(self) -> float:
        """Cycles to the next event."""
        step = min(
            self.residual.event(),
            self.output.event(),
            self.code.event(self.ample_code),
            self.weights.event(self.ample_weights),
        )
        if self.code.change > 0:
            step = min(step, self.code_left / self.code.change)
            missing = self.config.instruction_words - self.code.level
            if missing > SMALL:
                step = min(step, missing / self.code.change)
        for job in self.jobs:
            if job is not None and job.begin > self.now + SMALL:
                step = min(step, job.begin - self.now)
            elif job is not None and job.rate > SMALL:
                step = min(step, job.left / job.rate)
        if self.completions:
            step = min(step, self.completions[0][0] - self.now)
        if self.fetched < len(self.program) and self.next_fetch > self.now:
            step = min(step, self.next_fetch - self.now)
        if step == float("inf"):
            waiting = {Engine(e).name: q[0][0].fields for e, q in enumerate(self.queues) if q}
            raise Deadlock(f"no engine can go on after {round(self.now)} cycles: {waiting}")
        return max(step, SMALL)

    def _advance(self, step: float) -> None:
        for fifo in (self.weights, self.residual, self.output, self.code):
            fifo.advance(step)
        self.code_left -= self.code.change * step
        self.now += step
        for engine, job in enumerate(self.jobs):
            if job is None:
                continue
            job.left -= job.rate * step
            if job.left <= SMALL:
                done = (self.now + job.latency, next(self.sequence), engine, job.mark)
                heapq.heappush(self.completions, done)
                self.jobs[engine] = None
                self.ended[engine] = self.now


def _limited(job: _Job, fifo: _Fifo, arriving: float) -> float:
    """Rate of a job that takes words from ``fifo``, into which ``arriving`` words per cycle go.
    The last hundredth of a word is a rounding error and waits for nothing."""
    if fifo.empty and job.take_rate > 0 and job.left * job.take_rate > 0.01:
        return min(1.0, arriving / job.take_rate)
    return 1.0


def _fair(demands: list[tuple[float, int]], room: float) -> list[tuple[float, int]]:
    """Fair shares of ``room`` words per cycle for (demand, engine): nobody gets more than it asks
    for."""
    if len(demands) == 1:
        return [(min(room, demands[0][0]), demands[0][1])]
    shares = []
    for i, (demand, engine) in enumerate(sorted(demands)):
        share = min(demand, room / (len(demands) - i))
        room -= share
        shares.append((share, engine))
    return shares
