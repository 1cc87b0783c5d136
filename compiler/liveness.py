"""Whether a program ends, by counting.

What can hold an engine up is: its queue is empty, a wait, a FIFO that gives no word or has no room.
What can hold up the fetch is a full queue. None of these ever turns against the one who waits:
completion counts only grow, a FIFO has one writer and one reader, a queue one taker, and nobody
looks whether a word is there in order to do something else instead. So two steps that are possible
at the same time do not hinder each other, every order of steps ends in the same state (Kahn 1974;
with bounded FIFOs, a space is a token too), and **whether a program ends does not depend on the
memory's timing**: if it ends once, it always ends. `require_ending` is that once. It takes whatever
step is possible until nothing is left, O(instructions), with less room in queues and FIFOs than
hardware has at the worst moment, so what ends here ends there.
"""

from collections import deque

from resarray.spec.config import Config
from resarray.spec.isa import WAITS, Engine

from .program import Instruction, pixels_drained, residual_words, weight_words, words_given

LOAD, WEIGHTS, RESIDUAL, COMPUTE, DRAIN, STORE = (int(engine) for engine in Engine)
# Who puts words into the FIFO that an engine takes from.
WRITERS = {COMPUTE: WEIGHTS, DRAIN: RESIDUAL, STORE: DRAIN}
_AWAITED = [tuple(None if a is None else int(a) for a in WAITS[engine]) for engine in Engine]


class Deadlock(AssertionError):
    """The program cannot finish: a fault of the compiler."""


class _Fifo:
    """Words put and taken so far; ``capacity``: how many it holds for sure."""

    def __init__(self, capacity: int):
        self.capacity = capacity
        self.put = self.taken = 0

    @property
    def words(self) -> int:
        return self.put - self.taken

    @property
    def room(self) -> int:
        return self.capacity - self.words


class _Job:
    """The instruction that an engine works on: words still to be taken and given. Of a drain with
    a vector ``pixels`` are given for each word, which is taken with the last of them."""

    def __init__(self, takes: int, gives: int, pixels: int = 1):
        self.takes, self.gives, self.pixels = takes, gives, pixels


def require_ending(instructions: list[Instruction], config: Config) -> None:
    """`Deadlock` where the program stops for ever on some memory, however fast or slow."""
    _require_residuals(instructions)
    _Run(instructions, config).run()


class _Run:
    def __init__(self, instructions: list[Instruction], config: Config):
        self.config = config
        self.program = instructions
        self.fetched = 0
        # By engine; lists, since an enumeration's members are slow as keys.
        self.queues: list[deque[tuple[Instruction, int]]] = [deque() for _ in Engine]
        self.jobs: list[_Job | None] = [None for _ in Engine]
        self.done = [0 for _ in Engine]
        # A reader asks for a burst only when there is room for all of it: the last words of its
        # FIFO may stay free. The output FIFO holds its writer back up to two words early.
        unused = config.burst_words - 1
        weights = _Fifo(config.weight_words - unused)
        residual = _Fifo(config.residual_words - unused)
        output = _Fifo(config.output_words - 2)
        self.inputs = {COMPUTE: weights, DRAIN: residual, STORE: output}
        self.outputs = {WEIGHTS: weights, RESIDUAL: residual, DRAIN: output}

    def run(self) -> None:
        # Until no engine and no fetch can take a step. Each pass but the last makes progress, and
        # an engine goes on for as long as it can, so passes are far fewer than instructions.
        moved = True
        while moved:
            moved = self._fetch()
            for engine in range(len(Engine)):
                while self._step(engine):
                    moved = True
        if self.fetched < len(self.program) or any(self.queues) or any(self.jobs):
            states = ", ".join(
                f"{e.name} {self.done[e]} done, {len(self.queues[e])} queued" for e in Engine
            )
            raise Deadlock(
                f"no engine can go on after {self.fetched} of {len(self.program)} instructions: "
                f"{states}"
            )
        for name, engine in (("weight", COMPUTE), ("residual", DRAIN), ("output", STORE)):
            fifo = self.inputs[engine]
            if fifo.words:
                raise Deadlock(f"{fifo.words} words are left in the {name} FIFO")

    def _fetch(self) -> bool:
        start = self.fetched
        while self.fetched < len(self.program):
            instruction = self.program[self.fetched]
            queue = self.queues[instruction.engine]
            if len(queue) >= self.config.queue_depth:
                break
            self.fetched += 1
            queue.append((instruction, words_given(instruction)))
        return self.fetched > start

    def _step(self, engine: int) -> bool:
        """Begin an instruction, move what words can be moved, or complete it."""
        job = self.jobs[engine]
        if job is None:
            queue = self.queues[engine]
            if not queue or not self._may_start(engine, queue[0][0].fields):
                return False
            instruction, gives = queue.popleft()
            fields = instruction.fields
            vector = fields.get("res_vector") and not fields.get("pool")
            pixels = pixels_drained(fields) if vector else 1
            self.jobs[engine] = _Job(self._taken(instruction), gives, pixels)
            return True
        if job.takes or job.gives:
            return self._move(engine, job)
        self.jobs[engine] = None
        self.done[engine] += 1
        return True

    def _may_start(self, engine: int, fields: dict[str, int]) -> bool:
        a, b = _AWAITED[engine]
        return (a is None or self.done[a] >= fields.get("wait_a", 0)) and (
            b is None or self.done[b] >= fields.get("wait_b", 0)
        )

    def _taken(self, instruction: Instruction) -> int:
        fields, config = instruction.fields, self.config
        if instruction.engine == COMPUTE:
            return weight_words(fields, config)
        if instruction.engine == DRAIN:
            return residual_words(fields)
        return instruction.words if instruction.engine == STORE else 0

    def _move(self, engine: int, job: _Job) -> bool:
        """Words, as many as can move one after the other; whether any moved."""
        before = job.takes, job.gives
        if engine == DRAIN:
            self._move_drain(job)
        elif job.takes:
            job.takes -= self._take(engine, job.takes)
        else:
            fifo = self.outputs[engine]
            given = min(job.gives, fifo.room)
            fifo.put += given
            job.gives -= given
        return before != (job.takes, job.gives)

    def _take(self, engine: int, wanted: int) -> int:
        """Takes at most ``wanted`` words: of the FIFO, and those that pass through it where its
        writer is at work."""
        fifo, writer = self.inputs[engine], self.jobs[WRITERS[engine]]
        if writer is not None and WRITERS[engine] != DRAIN:
            passing = min(max(0, wanted - fifo.words), writer.gives)
            fifo.put += passing
            writer.gives -= passing
        taken = min(wanted, fifo.words)
        fifo.taken += taken
        return taken

    def _move_drain(self, job: _Job) -> None:
        """A drain takes a residual word where it has room for the word that this gives. That a pool
        gives it later harms nobody: see `_require_residuals`."""
        fifo, store = self.outputs[DRAIN], self.jobs[STORE]
        if job.pixels > 1:
            self._move_vector_drain(job)
            return
        room = fifo.room + (0 if store is None else store.takes)
        if job.takes:
            words = self._take(DRAIN, min(job.takes, room) if job.gives else job.takes)
            job.takes -= words
            words = min(words, job.gives) if job.takes else min(job.gives, room)
        else:
            words = min(job.gives, room)
        self._give(job, words)

    def _give(self, job: _Job, words: int) -> None:
        """Words of a drain, which a store at work takes at once."""
        fifo, store = self.outputs[DRAIN], self.jobs[STORE]
        fifo.put += words
        job.gives -= words
        if store is not None:
            taken = min(store.takes, fifo.words)
            fifo.taken += taken
            store.takes -= taken

    def _move_vector_drain(self, job: _Job) -> None:
        """A drain that needs a residual word for each block, and lets it go with the last pixel."""
        residuals, writer = self.inputs[DRAIN], self.jobs[RESIDUAL]
        fifo, store = self.outputs[DRAIN], self.jobs[STORE]
        while job.gives:
            if not residuals.words:
                if writer is None or not writer.gives:
                    return
                writer.gives -= 1
                residuals.put += 1
            of_block = job.gives - (job.takes - 1) * job.pixels
            given = min(of_block, fifo.room + (0 if store is None else store.takes))
            self._give(job, given)
            if given < of_block:
                return
            residuals.taken += 1
            job.takes -= 1


def _require_residuals(instructions: list[Instruction]) -> None:
    """`Deadlock` where a drain that pools takes residual words that only a later RESIDUAL brings.
    Otherwise it takes them all whatever becomes of the words that it gives, since RESIDUALs before
    it wait only for stores before its own."""
    brought = taken = 0
    for index, instruction in enumerate(instructions):
        if instruction.engine == Engine.RESIDUAL:
            brought += instruction.words
        elif instruction.engine == DRAIN:
            taken += residual_words(instruction.fields)
            if taken > brought and instruction.fields.get("pool"):
                raise Deadlock(f"instruction {index} takes residuals that only later ones bring")
