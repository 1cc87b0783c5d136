"""Random steps of a program, each legal where it stands."""

import math
import random
from collections.abc import Callable

import numpy as np

from ...compiler.functional import ScheduleError
from ...compiler.program import words_drained
from ...spec import isa, winograd
from ...spec.config import Config
from ...spec.isa import Engine, Pool
from ...spec.numerics import ACC_BITS, MULT_BITS, OPERAND_BITS, SHIFT_BITS, SUM_BITS
from .places import K_TILES
from .steps import LEAN, Assembler, Step, signature

FEWEST_STEPS, MOST_STEPS = 4, 60
MOST_MARKS = 12
WORDS = 256  # that one load, residual, drain or store moves at most, as a rule
PIXELS = 64
K_STEPS = 24  # k-tiles of one compute
TRIES = 20

Segment = tuple[int, int]  # the first word and the one behind the last


class Drawer:
    """Draws steps for what an assembler has come to. ``refused``: how many were not legal, which
    are drawn anew."""

    def __init__(self, assembler: Assembler, rng: random.Random):
        self.made = assembler
        self.config: Config = assembler.config
        self.rng = rng
        self.steps: list[Step] = []
        self.marks = 0
        self.refused = 0

    def draw(self) -> None:
        """A whole program."""
        wanted = round(math.exp(self.rng.uniform(math.log(FEWEST_STEPS), math.log(MOST_STEPS))))
        given = 0
        while len(self.steps) < wanted or not given:
            step = self._choose()()
            if step is None:
                continue
            if self.made.try_to_add(step):
                self.steps.append(step)
                self.marks += step.fields.get("mark", 0)
                given += words_drained(step.fields) if step.engine == "DRAIN" else 0
            else:
                self.refused += 1
                if self.refused > 10 * MOST_STEPS:
                    raise ScheduleError("nothing legal is drawn any more")

    def _choose(self) -> Callable[[], Step | None]:
        """What comes next: what has just been made is used sooner than not."""
        checker = self.made.checker
        weights = {self.load: 3.0}
        if checker.filled_by.any():
            fresh = max(checker.computed_by) == len(checker.clocks[Engine.COMPUTE])
            weights[self.compute] = 3.0 if fresh else 5.0
        if any(self._drainable(bank) for bank in (0, 1)):
            weights[self.drain] = 5.0
        if self.made.backlog:
            weights[self.store] = 4.0 + 8.0 * (self.made.backlog > self.config.output_words // 2)
        return self.rng.choices(list(weights), list(weights.values()))[0]

    def _slack(self) -> float:
        """Mostly no more than needed: a wait too many hides a fault."""
        return self.rng.choice([LEAN, LEAN, 0.0, 0.0, 0.0, 1.0, self.rng.random()])

    def _slacks(self) -> tuple[float, float]:
        return self._slack(), self._slack()

    # -- patterns --------------------------------------------------------------------------------

    def _size(self, most: int) -> int:
        """1 to ``most``, small ones more often."""
        return min(most, int(math.exp(self.rng.uniform(0, math.log(most + 1)))))

    def _divisor(self, number: int, most: int) -> int:
        if self.rng.random() < 0.4:
            return 1
        return self.rng.choice([d for d in range(1, min(number, most) + 1) if number % d == 0])

    def _pattern(self, words: int, within: Segment, overlap: bool = True) -> dict[str, int]:
        """A pattern of ``words`` words in a segment; without ``overlap`` it holds as many."""
        rng, room = self.rng, within[1] - within[0]
        n_blocks = self._divisor(words, 64)
        n_runs = self._divisor(words // n_blocks, 64)
        run_len = words // n_blocks // n_runs
        if run_len > room:
            n_blocks, n_runs, run_len = 1, words, 1
        least = 0 if (overlap and rng.random() < 0.3) or words > room else run_len
        run_stride = self._stride(n_runs, least, room - run_len, n_blocks * run_len)
        run_span = (n_runs - 1) * run_stride + run_len
        least = run_span if least else 0
        block_stride = self._stride(n_blocks, least, room - run_span, run_span)
        span = (n_blocks - 1) * block_stride + run_span
        return {
            "addr": within[0] + rng.randint(0, room - span),
            "n_blocks": n_blocks,
            "block_stride": block_stride,
            "n_runs": n_runs,
            "run_stride": run_stride,
            "run_len": run_len,
        }

    def _stride(self, count: int, least: int, room: int, usual: int) -> int:
        """Of ``count`` steps that go ``room`` words far at most."""
        if count == 1:
            return self.rng.choice([0, 0, self.rng.randint(0, 999)])
        most = room // (count - 1)
        if most <= least:
            return min(most, least)
        return self.rng.choice([least, min(most, max(least, usual)), self.rng.randint(least, most)])

    def _source(self, words: int) -> dict[str, int]:
        """A pattern to read: data, what has been stored, or what is kept of it."""
        where, kind = self.made.places, self.rng.random()
        if kind < 0.4 and (kept := self._kept_segment()) is not None:
            segment, mirror = kept
            return self._pattern(words, segment) | {"kept": 1, "mirror": mirror}
        if kind < 0.75:
            stored = np.flatnonzero(self.made.checker.stored_by)
            if len(stored):
                return self._pattern(words, self._segment(stored))
        return self._pattern(words, (where.data, where.target))

    def _segment(self, words: np.ndarray) -> Segment:
        """One of the segments that sorted ``words`` make, long ones rather."""
        ends = np.flatnonzero(np.diff(words) != 1)
        firsts = words[np.concatenate([[0], ends + 1])]
        lasts = words[np.concatenate([ends, [len(words) - 1]])] + 1
        chosen = self.rng.choices(range(len(firsts)), (lasts - firsts).tolist())[0]
        return int(firsts[chosen]), int(lasts[chosen])

    def _kept_segment(self) -> tuple[Segment, int] | None:
        """Words that the scratchpad holds, and their mirror."""
        if not self.made.kept:
            return None
        words, mirror = self.rng.choice(self.made.kept)
        words = np.unique(words)
        pattern = {"kept": 1, "mirror": mirror}
        places = self.made.machine.scratch_words(pattern, words)
        held = words[self.made.checker.mirrored[places] == words]
        return (self._segment(held), mirror) if len(held) else None

    # -- the steps -------------------------------------------------------------------------------

    def load(self) -> Step | None:
        rng, size = self.rng, self.config.input_words
        most = min(size, WORDS if rng.random() < 0.95 else 4 * WORDS)
        n_blocks = self._size(8)
        cols, rows = self._size(40), self._size(40)
        pads = [rng.choice([0, 0, 0, 1, 2, rng.randint(0, isa.MAX_PADDING)]) for _ in range(4)]
        top, bottom, left, right = pads
        words = n_blocks * (top + rows + bottom) * (left + cols + right)
        if words > most:
            return None
        source = self._source(n_blocks * rows * cols)
        if source["n_blocks"] != n_blocks:
            # Its blocks must be those of the buffer: one long run of each, or all in one.
            source = self._blocks(source, n_blocks, rows * cols)
        beginning = size - words if rng.random() < 0.2 else min(size - words, 2 * WORDS)
        fields = source | {
            "buf": rng.randint(0, beginning),
            "rows": rows,
            "cols": cols,
            "top": top,
            "bottom": bottom,
            "left": left,
            "right": right,
            "pad_value": rng.randint(-128, 127),
        }
        return Step("LOAD", fields, self._slacks())

    def _blocks(self, source: dict[str, int], n_blocks: int, words: int) -> dict[str, int]:
        """The same segment in ``n_blocks`` blocks of ``words`` words."""
        span = (
            (source["n_blocks"] - 1) * source["block_stride"]
            + (source["n_runs"] - 1) * source["run_stride"]
            + source["run_len"]
        )
        n_runs = self._divisor(words, 64)
        run_len = words // n_runs
        if run_len > span:
            n_runs, run_len = words, 1
        run_stride = self._stride(n_runs, 0, span - run_len, run_len)
        run_span = (n_runs - 1) * run_stride + run_len
        block_stride = self._stride(n_blocks, 0, span - run_span, run_span)
        return source | {
            "n_blocks": n_blocks,
            "block_stride": block_stride,
            "n_runs": n_runs,
            "run_stride": run_stride,
            "run_len": run_len,
        }

    def compute(self) -> Step | None:
        rng, made, config = self.rng, self.made, self.config
        machine = made.machine
        bank = rng.randrange(2)
        clear = int(machine.valid_pixels[bank] == 0 or rng.random() < 0.7)
        most = min(PIXELS, config.acc_depth) if rng.random() < 0.95 else config.acc_depth
        most = most if clear else machine.valid_pixels[bank]
        first = not made.checker.clocks[Engine.COMPUTE]
        params = int(first or not machine.has_params[bank] or rng.random() < 0.5)
        tiled = config.winograd and rng.random() < 0.6
        if machine.has_params[bank] and not (params and clear):
            tiled = machine.tiled[bank]
        if tiled and not clear:
            params = 0  # those of the pixels' first sums
        loops = self._tile_loops(most, bank, clear) if tiled else self._loops(most)
        if loops is None:
            return None
        table = int(params and rng.random() < 0.3)
        begins = machine.may_mark if machine.of_layer else params
        mark = int(bool(begins) and self.marks < MOST_MARKS and rng.random() < 0.2)
        flags = {"bank": bank, "clear": clear, "params": params, "table": table, "mark": mark}
        fields = loops | flags | {"winograd": int(tiled)}
        seed = rng.randrange(1 << 30)
        known = [s for s, *made_for in made.streams if tuple(made_for) == signature(fields)]
        if known and rng.random() < 0.3:
            seed = rng.choice(known)
        at = self._stored_weights(fields) if not params and not tiled else None
        most_cuts = max(0, min(3, config.queue_depth - 1))
        cuts = tuple(round(rng.random(), 3) for _ in range(rng.randint(0, most_cuts)))
        return Step("COMPUTE", fields, self._slacks(), (), seed, cuts, at)

    def _stored_weights(self, fields: dict[str, int]) -> int | None:
        """Words that the program has stored, of which some load knows, and that are weights."""
        checker, words = self.made.checker, fields["k_tiles"] * self.config.columns
        loads = checker.clocks[Engine.LOAD]
        if not loads:
            return None
        known = checker.stored_by[: self.made.places.closing]  # what follows is written again
        good = (known > 0) & (known <= loads[-1][Engine.STORE])
        good &= (self.made.machine.words[: len(good)] >= -127).all(axis=1)
        if not good.any():
            return None
        start, end = self._segment(np.flatnonzero(good))
        return self.rng.randint(start, end - words) if end - start >= words else None

    def _loops(self, most_pixels: int) -> dict[str, int] | None:
        """Loops of a COMPUTE over bytes that are in the input buffer."""
        rng, rows = self.rng, self.config.rows
        start, end = self._segment(np.flatnonzero(self.made.checker.filled_by))
        most_tiles = min(K_STEPS, K_TILES // 8)
        counts = {name: 1 for name in ("k0", "k1", "k2", "m0", "m1", "m2")}
        for axis, most in (("k", most_tiles), ("m", most_pixels)):
            left = self._size(most)
            for name in rng.sample([f"{axis}{i}" for i in range(3)], 3):
                limit = isa.highest(Engine.COMPUTE, f"n_{name}")
                counts[name] = self._size(min(left, limit))
                left //= counts[name]
        base = start * rows + rng.randint(0, min((end - start) * rows - rows, 4 * rows))
        room = end * rows - rows - base
        fields = {"base": base}
        for name in rng.sample(list(counts), 6):
            count = counts[name]
            limit = min(isa.highest(Engine.COMPUTE, f"s_{name}"), room // max(1, count - 1))
            word = rows * rng.randint(0, max(0, limit // rows))
            stride = rng.choice([min(limit, rows), min(limit, word), rng.randint(0, limit)])
            room -= (count - 1) * stride
            fields |= {f"n_{name}": count, f"s_{name}": stride}
        fields["k_tiles"] = counts["k0"] * counts["k1"] * counts["k2"]
        return fields

    def _tile_loops(self, most: int, bank: int, clear: int) -> dict[str, int] | None:
        """Loops of a COMPUTE of tiles: words of whole pixels, of which each tile's first output at
        least is in the input buffer."""
        rng, rows = self.rng, self.config.rows
        start, end = self._segment(np.flatnonzero(self.made.checker.filled_by))
        tiles = most // winograd.POSITIONS
        length = min(tiles, (end - start + 1) // winograd.TILE)
        if not clear:
            length = self.made.lines[bank] if self.made.lines[bank] <= length else 0
        if not length:
            return None
        length = self._size(length) if clear else length
        lines = self._size(tiles // length)
        k_tiles = self._size(min(K_STEPS, K_TILES // 8))
        n_k1, n_m1 = self._divisor(k_tiles, k_tiles), self._divisor(lines, lines)
        counts = {"k0": k_tiles // n_k1, "k1": n_k1, "m0": lines // n_m1, "m1": n_m1}
        span = winograd.TILE * (length - 1) + winograd.TAPS
        room = end - start - span
        if room < 0:
            return None
        base = start + rng.randint(0, min(room, 4))
        room -= base - start
        fields = {"base": base * rows, "n_k2": 1, "s_k2": 0, "n_m2": length, "s_m2": 0}
        for name in rng.sample(list(counts), len(counts)):
            count = counts[name]
            limit = min(isa.highest(Engine.COMPUTE, f"s_{name}") // rows, room // max(1, count - 1))
            stride = rng.choice([min(limit, 1), min(limit, span), rng.randint(0, limit)])
            room -= (count - 1) * stride
            fields |= {f"n_{name}": count, f"s_{name}": stride * rows}
        fields["k_tiles"] = k_tiles
        return fields

    def _drainable(self, bank: int) -> bool:
        machine = self.made.machine
        pixels = machine.valid_pixels[bank]
        if not pixels or not machine.has_params[bank]:
            return False
        if machine.tiled[bank]:
            totals = self.made.tile_totals(bank, slice(0, pixels), self.config.columns)
            return not (totals % 8).any()
        return self._fits(bank, slice(0, pixels), self.config.columns, ACC_BITS)

    def _fits(self, bank: int, pixels: slice, channels: int, bits: int) -> bool:
        machine = self.made.machine
        if machine.tiled[bank]:
            total = winograd.divide(self.made.tile_totals(bank, pixels, channels))
        else:
            total = machine.acc[bank, pixels, :channels] + machine.params[bank, 0, :channels, 0]
        return bool((np.abs(total) < 1 << (bits - 1)).all())

    def drain(self) -> Step | None:
        rng, config, machine = self.rng, self.config, self.made.machine
        bank = rng.choice([bank for bank in (0, 1) if self._drainable(bank)])
        valid = machine.valid_pixels[bank]
        tiled = machine.tiled[bank]
        unit = winograd.POSITIONS * self.made.lines[bank] if tiled else 1
        most = valid // unit
        count = rng.choice([most, self._size(most)])
        px_count, px_base = count * unit, rng.randint(0, most - count) * unit
        n_blocks = rng.choice([config.column_blocks, self._size(config.column_blocks)])
        if tiled:
            width = self._tiles_width(bank, slice(px_base // unit, px_base // unit + count))
            height = count
        else:
            width = rng.choice([px_count, 1, self._divisor(px_count, px_count)])
            height = px_count // width
        fields = {
            "bank": bank,
            "px_base": px_base,
            "px_count": px_count,
            "winograd": int(tiled),
            "zp_out": rng.choice([0, -128, 127, rng.randint(-128, 127)]),
            "width": width,
            "height": height,
            "table": int(machine.has_table[bank] and rng.random() < 0.5),
        }
        fields["lo"], fields["hi"] = -128, 127
        if rng.random() < 0.3:
            fields["lo"], fields["hi"] = sorted(rng.choices(range(-128, 128), k=2))
        pool = rng.choices([Pool.NONE, Pool.MAX, Pool.AVERAGE], [5, 4, 2])[0]
        if pool == Pool.MAX:
            pooled = self._max_pool(fields, n_blocks)
            if pooled is None:
                return None
            fields |= pooled
        elif pool == Pool.AVERAGE:
            n_blocks = 1
            fields |= self._average()
        fields |= {"pool": pool, "n_blocks": n_blocks}
        if words_drained(fields) > 2 * WORDS:
            return None
        reads: tuple[tuple[dict[str, int], float], ...] = ()
        if rng.random() < 0.4:
            pixels = slice(px_base, px_base + px_count)
            small = self._fits(bank, pixels, n_blocks * config.rows, OPERAND_BITS)
            fields |= {
                "res_en": 1,
                "res_vector": int(rng.random() < 0.4),
                "multiply": int(small and rng.random() < 0.6),
                "res_zp": rng.choice([0, -128, 127, rng.randint(-128, 127)]),
                "res_mult": rng.randrange(1 << (MULT_BITS - 1), 1 << MULT_BITS),
                "res_shift": rng.choice([*range(12, 20), rng.randrange(1 << SHIFT_BITS)]),
            }
            reads = self._residuals(n_blocks * (1 if fields["res_vector"] else width * height))
        return Step("DRAIN", fields, self._slacks(), reads)

    def _tiles_width(self, bank: int, lines: slice) -> int:
        """Of rows of tiles, of which each output's pixels were there."""
        fit = self.made.checker.fit[bank][lines].all(axis=0)
        more = int(np.logical_and.accumulate(fit).sum())
        return winograd.TILE * (self.made.lines[bank] - 1) + 1 + self.rng.randint(0, more)

    def _residuals(self, words: int) -> tuple[tuple[dict[str, int], float], ...]:
        reads, left = [], words
        for _ in range(min(3, self.config.queue_depth) - 1):
            if left > 1 and self.rng.random() < 0.4:
                part = self.rng.randint(1, left - 1)
                reads.append((self._source(part), self._slack()))
                left -= part
        return (*reads, (self._source(left), self._slack()))

    def _max_pool(self, fields: dict[str, int], n_blocks: int) -> dict[str, int] | None:
        rng, stage = self.rng, self.made.machine.pool
        pooled = {f"pool_{name}": rng.randint(1, 3) for name in ("kx", "ky", "sx", "sy")}
        for name in ("x", "y", "right", "bottom"):
            pooled[f"pool_{name}"] = rng.choice([0, 1, 2, 3, 0 if name == "right" else 1])
        pixels = range(pooled["pool_x"], fields["width"] + pooled["pool_right"], pooled["pool_sx"])
        width = len(pixels)
        words, room = n_blocks * width, self.config.pool_words
        if not width or words > room:
            return None
        line = rng.choice([0, 0, 0, rng.randint(0, room - words)])
        known = bool(stage.known[line : line + words].all())
        first = int(not known or rng.random() < 0.2)
        return pooled | {"pool_width": width, "line": line, "pool_first": first}

    def _average(self) -> dict[str, int]:
        rng = self.rng
        first = int(not self.made.machine.pool.summing or rng.random() < 0.1)
        reach = 1 << (SUM_BITS - 1)
        return {
            "avg_first": first,
            "avg_last": rng.randrange(2),
            "avg_bias": rng.choice([0, rng.randint(-9000, 9000), rng.randint(-reach, reach - 1)]),
            "avg_mult": rng.randrange(1 << (MULT_BITS - 1), 1 << MULT_BITS),
            "avg_shift": rng.choice([*range(8), rng.randrange(1 << SHIFT_BITS)]),
            "avg_zp": rng.randint(-128, 127),
        }

    def store(self) -> Step | None:
        rng, where = self.rng, self.made.places
        words = rng.choice([self.made.backlog, self._size(self.made.backlog)])
        end = rng.choice([where.target + 64, where.closing, where.closing])
        fields = self._pattern(words, (where.target, end), rng.random() < 0.1)
        pattern = self.made.machine.word_addresses(fields)
        if self.made.checker.memory_read_by[Engine.WEIGHTS][pattern].any():
            return None  # nobody says when weights have been read
        if self.config.scratch_words and rng.random() < 0.6:
            mirrors = [mirror for _, mirror in self.made.kept]
            near = -where.target % self.config.scratch_words
            mirror = rng.choice([near, rng.randrange(1 << isa.MIRROR_BITS), *mirrors[-1:]])
            fields |= {"kept": 1, "mirror": mirror}
        return Step("STORE", fields, self._slacks())
