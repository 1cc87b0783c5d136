"""Instruction-level model: executes an image in program order and checks its synchronisation.

The result is what the hardware must leave in memory. Program order is only one of the orders in
which the engines may run, so the model also proves that the waits forbid every harmful other one:
each instruction carries the set of instructions that its waits, and theirs in turn, guarantee to be
complete, and each access to the input buffer, an accumulator bank or memory is checked against it.

Values are int64 here and have widths in hardware: each is checked against the width in
`spec.numerics` that the hardware's register is built from.
"""

import numpy as np

from resarray.spec import winograd
from resarray.spec.config import Config
from resarray.spec.image import Image
from resarray.spec.isa import (
    INSTRUCTION_BYTES,
    MIRROR_BITS,
    PARAMS,
    TABLE_BYTES,
    WAITS,
    Engine,
    Pool,
    decode,
    encode,
)
from resarray.spec.layout import from_dict
from resarray.spec.numerics import (
    ACC_BITS,
    ACTIVATION_BITS,
    INT8_MIN,
    OPERAND_BITS,
    RESIDUAL_HEADROOM,
    WEIGHT_MAX,
    WidthError,
    require_bits,
)

from .pooling import PoolStage, requantise_array
from .program import residual_words
from .winograd import wrapped


class ScheduleError(AssertionError):
    """The program breaks a rule of the instruction set: a fault of the compiler."""


def run_image(image: Image, inputs: np.ndarray | None = None, *, check: bool = True) -> np.ndarray:
    """Memory after a run: uint8 [mem_size]. `WidthError` for a value that hardware cannot hold.

    Parameters
    ----------
    inputs:  int8 [batch][C][H][W], written to their places first; None leaves zeros
    check:   also prove the synchronisation; `ScheduleError` names the first fault
    """
    memory = np.zeros(image.manifest["mem_size"], np.uint8)
    memory[: len(image.payload)] = np.frombuffer(image.payload, np.uint8)
    if inputs is not None:
        for entry in image.manifest["inputs"]:
            flat = from_dict(entry["layout"]).pack(inputs[entry["image"]]).view(np.uint8)
            memory[entry["addr"] : entry["addr"] + len(flat)] = flat
    Machine(image.config, memory, image.manifest["write_base"], check).run(
        image.manifest["program"]["addr"], image.manifest["program"]["count"]
    )
    return memory


class Machine:
    """State of the accelerator between instructions. ``memory`` (uint8) is changed in place."""

    def __init__(self, config: Config, memory: np.ndarray, write_base: int = 0, check: bool = True):
        self.config = config
        self.memory = memory
        self.words = memory.reshape(-1, config.rows).view(np.int8)
        self.write_word = write_base // config.rows
        self.buffer = np.zeros((config.input_words, config.rows), np.int8)
        self.acc = np.zeros((2, config.acc_depth, config.columns), np.int64)
        self.valid_pixels = [0, 0]
        self.params = np.zeros((2, 3, config.columns, config.phases), np.int64)
        self.tiled = [False, False]  # what the bank and its parameters hold
        self.tables = np.zeros((2, TABLE_BYTES), np.int64)
        self.has_params, self.has_table = [False, False], [False, False]
        self.may_mark = False  # the layer's first compute took parameters
        self.of_layer = 0  # computes since the last mark
        self.weights = _Fifo("weight", config.rows)
        self.residual = _Fifo("residual", config.rows)
        self.output = _Fifo("output", config.rows)
        self.pool = PoolStage(config)
        self.checker = Checker(self) if check else None
        self.executors = {
            Engine.LOAD: self._load,
            Engine.WEIGHTS: self._weights,
            Engine.RESIDUAL: self._residual,
            Engine.COMPUTE: self._compute,
            Engine.DRAIN: self._drain,
            Engine.STORE: self._store,
        }

    def run(self, addr: int, count: int) -> None:
        """Execute ``count`` instructions from byte ``addr`` on."""
        code = self.memory[addr : addr + count * INSTRUCTION_BYTES].tobytes()
        for i in range(count):
            data = code[i * INSTRUCTION_BYTES : (i + 1) * INSTRUCTION_BYTES]
            engine, fields = decode(data)
            if encode(engine, **{k: v for k, v in fields.items() if k != "opcode"}) != data:
                raise ScheduleError(f"instruction {i}: unused bits are set")
            try:
                self.execute(engine, fields)
            except (ScheduleError, WidthError) as fault:
                raise type(fault)(f"instruction {i} ({engine.name}): {fault}") from fault
        for fifo in (self.weights, self.residual, self.output):
            if len(fifo):
                raise ScheduleError(f"{len(fifo)} words are left in the {fifo.name} FIFO")

    def execute(self, engine: Engine, fields: dict[str, int]) -> None:
        """One instruction, every field of it named; `AssertionError` where it is not legal."""
        if self.checker is not None:
            self.checker.issue(engine, fields)
        self.executors[engine](fields)

    def word_addresses(self, f: dict[str, int]) -> np.ndarray:
        """Word addresses of a memory pattern, in order."""
        _require_counts(f, "n_blocks", "n_runs", "run_len")
        blocks = np.arange(f["n_blocks"]) * f["block_stride"]
        runs = np.arange(f["n_runs"]) * f["run_stride"]
        words = blocks[:, None, None] + runs[:, None] + np.arange(f["run_len"])
        words = f["addr"] + words.reshape(-1)
        if int(words.max()) >= len(self.words):
            raise ScheduleError(f"word {int(words.max())} lies outside the memory")
        return words

    def scratch_words(self, f: dict[str, int], words: np.ndarray) -> np.ndarray | None:
        """Scratchpad words of memory words, or None where the instruction does not use it."""
        if not f["kept"]:
            return None
        if not self.config.scratch_words:
            raise ScheduleError("uses a scratchpad that is not there")
        return (words + f["mirror"]) % (1 << MIRROR_BITS) % self.config.scratch_words

    def _load(self, f: dict[str, int]) -> None:
        source = self.word_addresses(f)
        rows, cols = f["rows"], f["cols"]
        if f["n_runs"] * f["run_len"] != rows * cols or min(rows, cols) < 1:
            raise ScheduleError(f"{f['n_runs']} runs of {f['run_len']} are not {rows} x {cols}")
        lines = f["top"] + rows + f["bottom"]
        line = f["left"] + cols + f["right"]
        stop = f["buf"] + f["n_blocks"] * lines * line
        if stop > self.config.input_words:
            raise ScheduleError(f"load ends at word {stop} of the input buffer")
        if self.checker is not None:
            self.checker.read_memory(Engine.LOAD, source, self.scratch_words(f, source))
            self.checker.fill(f["buf"], stop)
        block = np.full((f["n_blocks"], lines, line, self.config.rows), f["pad_value"], np.int8)
        data = self.words[source].reshape(f["n_blocks"], rows, cols, -1)
        block[:, f["top"] : f["top"] + rows, f["left"] : f["left"] + cols] = data
        self.buffer[f["buf"] : stop] = block.reshape(-1, self.config.rows)

    def _weights(self, f: dict[str, int]) -> None:
        _require_counts(f, "length")
        source = np.arange(f["addr"], f["addr"] + f["length"])
        if int(source[-1]) >= len(self.words):
            raise ScheduleError(f"word {int(source[-1])} lies outside the memory")
        if self.checker is not None:
            self.checker.read_memory(Engine.WEIGHTS, source, None)
        self.weights.put(self.words[source])

    def _residual(self, f: dict[str, int]) -> None:
        source = self.word_addresses(f)
        if self.checker is not None:
            self.checker.read_memory(Engine.RESIDUAL, source, self.scratch_words(f, source))
        self.residual.put(self.words[source])

    def _compute(self, f: dict[str, int]) -> None:
        config, bank = self.config, f["bank"]
        _require_counts(f, *(f"n_{axis}{i}" for axis in "km" for i in range(3)))
        self._mark(f)
        k = loop_offsets(f, "k")
        if len(k) != f["k_tiles"]:
            raise ScheduleError(f"{f['k_tiles']} k-tiles are not the {len(k)} of the loops")
        m = loop_offsets(f, "m")
        tiled = bool(f["winograd"])
        if tiled and (not config.winograd or f["n_k2"] != 1 or f["s_m2"]):
            raise ScheduleError("Winograd's tiles that are not there, or with a third k loop")
        if tiled:
            m = self._tile_offsets(f)
        if len(m) > config.acc_depth:
            raise ScheduleError(f"{len(m)} pixels in a bank of {config.acc_depth}")
        if not f["clear"] and len(m) > self.valid_pixels[bank]:
            raise ScheduleError("compute adds to pixels that were not cleared")
        taps = winograd.TAPS if tiled else 1
        weights = self.weights.take(config.columns * taps)
        if f["params"]:
            self.params[bank] = self._parameters(tiled)
            self.has_params[bank] = True
            self.tiled[bank] = tiled
            if f["table"]:
                self.has_table[bank] = True
                words = self.weights.take(TABLE_BYTES // config.rows)
                self.tables[bank] = words.reshape(-1)
        elif f["table"]:
            raise ScheduleError("a table without parameters")
        if self.has_params[bank] and self.tiled[bank] != tiled:
            raise ScheduleError("sums of tiles and of pixels in one bank")
        others = self.weights.take((len(k) - 1) * config.columns * taps)
        weights = np.concatenate([weights, others]).reshape(len(k), config.columns, taps, -1)
        # What the width of a column's result for one k-tile rests on: `numerics.dot_bits`.
        if int(weights.min()) < -WEIGHT_MAX:
            raise WidthError(f"a weight of {int(weights.min())}, -{WEIGHT_MAX} is the least")
        # [pixel][k-tile][rows] byte addresses
        address = f["base"] + m[:, None] + k
        firm = address
        if tiled:
            if f["base"] % config.rows or address.max() >= 2 * self.buffer.size:
                raise ScheduleError("tiles between words, or far beyond the input buffer")
            # All but what a row's last tile may read beyond its outputs.
            by_tile = address.reshape(-1, f["n_m2"], winograd.POSITIONS, len(k))
            firm = np.concatenate(
                [by_tile[:, :-1].reshape(-1), by_tile[:, -1, : winograd.TAPS].reshape(-1)]
            )
            beyond = by_tile[:, -1, winograd.TAPS :] % self.buffer.size
            address = address % self.buffer.size
        if int(firm.max()) + config.rows > self.buffer.size:
            raise ScheduleError(f"compute reads byte {int(firm.max())} of the input buffer")
        if self.checker is not None:
            self.checker.compute(bank, firm)
            if tiled:
                self.checker.compute_beyond(bank, beyond, bool(f["clear"]))
        flat = self.buffer.reshape(-1)
        a = np.lib.stride_tricks.sliding_window_view(flat, config.rows)[address]
        acc = self._tile_sums(a, weights) if tiled else self._sums(a, weights[:, :, 0])
        if f["clear"]:
            self.valid_pixels[bank] = len(m)
            self.acc[bank, : len(m)] = acc
        else:
            self.acc[bank, : len(m)] += acc
        if tiled:
            self.acc[bank, : len(m)] = wrapped(self.acc[bank, : len(m)])
        require_bits(self.acc[bank, : len(m)], ACC_BITS, "accumulator")

    def _tile_offsets(self, f: dict[str, int]) -> np.ndarray:
        """Byte offsets of the tiles' pixels, six to a tile."""
        step = winograd.TILE * self.config.rows
        tiles = loop_offsets(f | {"s_m2": step}, "m")
        return (tiles[:, None] + np.arange(winograd.POSITIONS) * self.config.rows).reshape(-1)

    def _sums(self, a: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """[pixel][columns] of activations [pixel][k-tile][rows] and weights
        [k-tile][columns][rows], as the element gives them."""
        columns = self.config.columns
        a = a.reshape(len(a), -1).astype(np.float64)
        w = weights.transpose(0, 2, 1).reshape(-1, columns).astype(np.float64)
        acc = (a @ w).astype(np.int64)  # below 2**53: exact
        if self.config.element == "pair":
            wide = weights.astype(np.int64)
            acc += (wide[..., 0::2] * wide[..., 1::2]).sum(axis=(0, 2))
        return acc

    def _tile_sums(self, a: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """[accumulator][columns] of a tile's pixels [pixel][k-tile][rows] and weights
        [k-tile][columns][taps][rows], each position with its own transforms."""
        operands, pair = self.config.operands, self.config.element == "pair"
        pixels = a.reshape(-1, winograd.POSITIONS, *a.shape[1:]).astype(np.int64)
        acc = np.zeros((len(pixels), winograd.POSITIONS, self.config.columns), np.int64)
        for p in range(winograd.POSITIONS):
            x = np.tensordot(pixels, winograd.INPUT[p], (1, 0))
            w = np.tensordot(weights.astype(np.int64), winograd.WEIGHT[p], (2, 0))
            require_bits(x, operands.activation, f"activation at position {p}")
            require_bits(w, operands.weight, f"weight at position {p}")
            if pair:
                reach = int(abs(x).max()) + int(abs(w).max())
                require_bits(np.array([-reach, reach]), operands.factor, f"factor at position {p}")
            acc[:, p] = self._sums(x, w)
        return acc.reshape(-1, self.config.columns)

    def _mark(self, f: dict[str, int]) -> None:
        """Marks are so far apart that the profile can record them: `hw/profile.py`."""
        if self.of_layer == 0:
            self.may_mark = bool(f["params"])
        self.of_layer += 1
        if f["mark"]:
            self.of_layer = 0
            if not self.may_mark:
                raise ScheduleError("a layer is marked whose first compute takes no parameters")

    def _parameters(self, tiled: bool) -> np.ndarray:
        """[bias, mult, shift][columns][outputs of a tile, or equal]"""
        config = self.config
        phases = config.phases if tiled else 1
        raw = self.weights.take(config.columns * config.param_words * phases)
        raw = np.ascontiguousarray(raw.reshape(config.columns * phases, -1)[:, :8])
        record = raw.view("<u8")[:, 0]
        values, offset = [], 0
        for field in PARAMS:
            value = (record >> np.uint64(offset)) & np.uint64((1 << field.width) - 1)
            value = value.astype(np.int64)
            if field.signed:
                value -= (value >> (field.width - 1)) << field.width
            values.append(value)
            offset += field.width
        found = np.stack(values).reshape(len(values), config.columns, phases)
        return np.broadcast_to(found, (*found.shape[:2], config.phases))

    def _drain(self, f: dict[str, int]) -> None:
        config, bank, rows = self.config, f["bank"], self.config.rows
        first, stop = f["px_base"], f["px_base"] + f["px_count"]
        _require_counts(f, "px_count", "n_blocks")
        tiled = bool(f["winograd"])
        line = winograd.POSITIONS * winograd.tiles(f["width"]) if tiled else f["width"]
        if line * f["height"] != f["px_count"] or not f["width"]:
            raise ScheduleError(f"{f['px_count']} pixels are not {f['height']} x {f['width']}")
        if self.has_params[bank] and self.tiled[bank] != tiled:
            raise ScheduleError("drain of tiles as pixels, or of pixels as tiles")
        if f["pool"] != Pool.MAX and (f["pool_right"] or f["pool_bottom"]):
            raise ScheduleError("padding without a max pool")
        if not self.has_params[bank] or (f["table"] and not self.has_table[bank]):
            raise ScheduleError("drain of a bank without parameters or table")
        if f["lo"] > f["hi"]:
            raise ScheduleError(f"clamps from {f['lo']} to {f['hi']}")
        if stop > self.valid_pixels[bank] or f["n_blocks"] > config.column_blocks:
            raise ScheduleError(f"drain of pixels to {stop} of {self.valid_pixels[bank]}")
        if self.checker is not None:
            self.checker.drain(bank)
            if tiled:
                lines = slice(first // line, stop // line)
                self.checker.drain_beyond(bank, lines, (f["width"] - 1) % winograd.TILE)
        channels = f["n_blocks"] * rows
        acc = self.acc[bank, first:stop, :channels]
        mult, shift = self.params[bank, 1:, :channels, 0]
        if tiled:
            total = self._tile_outputs(f, acc, bank)
        else:
            total = acc + self.params[bank, 0, :channels, 0]
        residual = np.zeros(1, np.int64)
        if f["res_en"]:
            words = self.residual.take(residual_words(f)).astype(np.int64)
            words = words.reshape(f["n_blocks"], -1, rows).transpose(1, 0, 2).reshape(-1, channels)
            words = words - f["res_zp"]
            if f["multiply"]:
                require_bits(total, OPERAND_BITS, "operand of a product")
                total = total * words
            else:
                residual = words * f["res_mult"] << RESIDUAL_HEADROOM
                residual >>= f["res_shift"]
        elif f["multiply"] or f["res_vector"]:
            raise ScheduleError("a residual's flags without a residual")
        out = requantise_array(total, mult, shift, f["zp_out"], f["lo"], f["hi"], residual)
        require_bits(out, ACTIVATION_BITS, "output")
        if f["table"]:
            out = self.tables[bank][out - INT8_MIN]
        blocks = out.reshape(-1, f["n_blocks"], rows).transpose(1, 0, 2)  # [block][pixel][rows]
        if Pool(f["pool"]) == Pool.NONE:
            self.output.put(blocks.reshape(-1, rows).astype(np.int8))
        else:
            self.output.put(self.pool.run(f, blocks))

    def _tile_outputs(self, f: dict[str, int], acc: np.ndarray, bank: int) -> np.ndarray:
        """[pixel][channels] accumulators plus bias of a DRAIN's tiles, modulo 2**29."""
        channels, tiles = acc.shape[1], winograd.tiles(f["width"])
        positions = acc.reshape(-1, winograd.POSITIONS, channels)
        outputs = np.einsum("jp,tpc->tjc", winograd.OUTPUT, positions)
        outputs -= self.params[bank, 0, :channels].T
        total = winograd.divide(wrapped(outputs))
        rows = total.reshape(f["height"], tiles * winograd.TILE, channels)[:, : f["width"]]
        return rows.reshape(-1, channels)

    def _store(self, f: dict[str, int]) -> None:
        target = self.word_addresses(f)
        if int(target.min()) < self.write_word:
            raise ScheduleError(f"store to word {int(target.min())}, below the writable memory")
        if self.checker is not None:
            self.checker.write_memory(target, self.scratch_words(f, target))
        self.words[target] = self.output.take(len(target))


def _require_counts(f: dict[str, int], *names: str) -> None:
    for name in names:
        if f[name] < 1:
            raise ScheduleError(f"{name} is 0")


def loop_offsets(f: dict[str, int], axis: str) -> np.ndarray:
    """Byte offsets of a three-level loop, in order."""
    steps = [np.arange(f[f"n_{axis}{i}"]) * f[f"s_{axis}{i}"] for i in range(3)]
    return (steps[0][:, None, None] + steps[1][:, None] + steps[2]).reshape(-1)


class _Fifo:
    """Words in order; taking more than there are is a fault."""

    def __init__(self, name: str, rows: int):
        self.name = name
        self._data = np.zeros((0, rows), np.int8)
        self._taken = 0

    def __len__(self) -> int:
        return len(self._data) - self._taken

    def put(self, words: np.ndarray) -> None:
        self._data = np.concatenate([self._data[self._taken :], words])
        self._taken = 0

    def take(self, count: int) -> np.ndarray:
        if count > len(self):
            raise ScheduleError(f"{count} words taken from the {self.name} FIFO of {len(self)}")
        self._taken += count
        return self._data[self._taken - count : self._taken]


class Checker:
    """What is guaranteed to be complete when an instruction starts, and whether that suffices.

    Engines start their instructions in order and complete them in order. A *clock* is a count of
    completed instructions per engine.
    """

    def __init__(self, machine: Machine):
        self.write_word = machine.write_word
        config, n_words = machine.config, len(machine.words)
        self.rows = config.rows
        self.clocks: dict[Engine, list[np.ndarray]] = {e: [] for e in Engine}
        self.clock = np.zeros(len(Engine), np.int64)
        # Number (from 1) of the instruction that last touched each word; 0 for none.
        self.filled_by = np.zeros(config.input_words, np.int64)
        self.read_by = np.zeros(config.input_words, np.int64)
        self.stored_by = np.zeros(n_words, np.int64)
        self.memory_read_by = {
            e: np.zeros(n_words, np.int64) for e in (Engine.LOAD, Engine.WEIGHTS, Engine.RESIDUAL)
        }
        # Memory word that each scratchpad word mirrors, -1 for none, and its last readers.
        self.mirrored = np.full(config.scratch_words, -1, np.int64)
        self.kept_read_by = {
            e: np.zeros(config.scratch_words, np.int64) for e in (Engine.LOAD, Engine.RESIDUAL)
        }
        self.computed_by = [0, 0]
        self.drained_by = [0, 0]
        # What tiles have read beyond a row's first output, of each bank: whether it is fit for use,
        # by row and pixel; and who has read which words.
        self.fit = [np.zeros((0, winograd.TILE - 1), bool) for _ in range(2)]
        self.beyond: list[list[tuple[int, np.ndarray]]] = [[], []]

    def issue(self, engine: Engine, f: dict[str, int]) -> None:
        """Work out the clock at which the instruction starts."""
        mine = self.clocks[engine]
        clock = mine[-1].copy() if mine else np.zeros(len(Engine), np.int64)
        for wait, awaited in zip(("wait_a", "wait_b"), WAITS[engine], strict=True):
            count = f[wait]
            if awaited is None or count == 0:
                continue
            if count > len(self.clocks[awaited]):
                raise ScheduleError(
                    f"waits for {awaited.name} {count}, only {len(self.clocks[awaited])} precede it"
                )
            clock = np.maximum(clock, self.clocks[awaited][count - 1])
            clock[awaited] = max(clock[awaited], count)
        mine.append(clock)
        self.clock = clock

    def _require(self, engine: Engine, number, what: str) -> None:
        if number > self.clock[engine]:
            raise ScheduleError(
                f"{what} {engine.name} {number}, sure to be complete are {self.clock[engine]}"
            )

    def read_memory(self, engine: Engine, words: np.ndarray, places: np.ndarray | None) -> None:
        """``places``: scratchpad words that are read instead."""
        if places is not None:
            if (self.mirrored[places] != words).any():
                raise ScheduleError("reads scratchpad words that hold something else")
            self.kept_read_by[engine][places] = len(self.clocks[engine])
        written = self.stored_by[words]
        if ((words >= self.write_word) & (written == 0)).any():
            raise ScheduleError("reads memory that nothing has stored")
        self._require(Engine.STORE, written.max(), "reads what is written by")
        self.memory_read_by[engine][words] = len(self.clocks[engine])

    def write_memory(self, words: np.ndarray, places: np.ndarray | None) -> None:
        """``places``: scratchpad words that are written too."""
        # What the scratchpad has of these words is old.
        self.mirrored[np.isin(self.mirrored, words)] = -1
        if places is not None:
            for engine, read_by in self.kept_read_by.items():
                self._require(
                    engine, read_by[places].max(), "overwrites in the scratchpad what is read by"
                )
            self.mirrored[places] = words
        for engine, read_by in self.memory_read_by.items():
            self._require(engine, read_by[words].max(), "overwrites what is read by")
        self.stored_by[words] = len(self.clocks[Engine.STORE])

    def fill(self, start: int, stop: int) -> None:
        self._require(Engine.COMPUTE, self.read_by[start:stop].max(), "overwrites what is read by")
        self.filled_by[start:stop] = len(self.clocks[Engine.LOAD])
        for fit, readers in zip(self.fit, self.beyond, strict=True):
            for number, words in readers:
                if number > self.clock[Engine.COMPUTE]:
                    fit &= ~((start <= words) & (words < stop)).any(axis=-1)

    def compute(self, bank: int, address: np.ndarray) -> None:
        touched = np.zeros(len(self.filled_by) + 1, bool)
        touched[address // self.rows] = True
        touched[(address + self.rows - 1) // self.rows] = True
        touched = touched[:-1]
        if (self.filled_by[touched] == 0).any():
            raise ScheduleError("reads input words that nothing has loaded")
        self._require(Engine.LOAD, self.filled_by[touched].max(), "reads what is loaded by")
        self._require(Engine.DRAIN, self.drained_by[bank], "overwrites a bank that is drained by")
        number = len(self.clocks[Engine.COMPUTE])
        self.read_by[touched] = number
        self.computed_by[bank] = number

    def compute_beyond(self, bank: int, address: np.ndarray, clear: bool) -> None:
        """``address``: [row][pixel][k-tile], what may be used by the second to last output of a
        row's last tile; whether it is, only the drain says."""
        words = address // self.rows
        filled = self.filled_by[words]
        fit = ((filled != 0) & (filled <= self.clock[Engine.LOAD])).all(axis=-1)
        if clear:
            self.fit[bank], self.beyond[bank] = fit, []
        else:
            self.fit[bank][: len(fit)] &= fit
        padded = np.full((len(self.fit[bank]), *words.shape[1:]), -1)
        padded[: len(words)] = words
        self.beyond[bank].append((len(self.clocks[Engine.COMPUTE]), padded))

    def drain_beyond(self, bank: int, rows: slice, outputs: int) -> None:
        """``outputs``: of a row's last tile, beside the first."""
        if not self.fit[bank][rows, :outputs].all():
            raise ScheduleError("drains outputs of input words that were not sure to be loaded")

    def drain(self, bank: int) -> None:
        self._require(Engine.COMPUTE, self.computed_by[bank], "drains a bank that is filled by")
        self.drained_by[bank] = len(self.clocks[Engine.DRAIN])
