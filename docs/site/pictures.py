"""Draws docs/images/*.svg: structure by hand, numbers from convolution.json, a run of the RTL.

    python docs/site/pictures.py [FOLDER]

tests/docs checks that the pictures are what this draws.
"""

import json
import sys
from pathlib import Path

import numpy as np
from svg import BLUE, FAINT, GREEN, GREY, ORANGE, PAPER, RED, Drawing, Flow

from resarray.hw import element
from resarray.hw.array import column_latency
from resarray.sim.waves import NAMES
from resarray.spec.presets import preset

HERE = Path(__file__).parent
FOLDER = HERE.parent / "images"
TINY = preset("tiny")
LATENCY = column_latency(TINY)
DOT_BITS = 18


def architecture() -> Drawing:
    d = Flow(5, 5, "The accelerator: memory, six engines, array")
    d.box("memory", 0, 2, "memory", ORANGE)
    d.box("arbiter", 1, 2, "read arbiter\nAXI4", GREY)
    d.box("fetch", 1, 3, "fetch", GREEN)
    d.box("queues", 2, 3, "six queues\nof instructions", GREY)
    d.box("load", 2, 0, "LOAD\ntiles of feature maps", GREEN)
    d.box("weights", 2, 1, "WEIGHTS\nstream", GREEN)
    d.box("residual", 2, 2, "RESIDUAL\nstream", GREEN)
    d.box("buffer", 3, 0, "input buffer")
    d.box("fifo", 3, 1, "weight FIFO")
    d.box("rfifo", 3, 2, "residual FIFO")
    d.box("array", 4, 0, "systolic array\nCOMPUTE", GREEN)
    d.box("acc", 4, 1, "accumulators\ntwo banks")
    d.box("drain", 4, 2, "DRAIN\nrequantise, add, pool", GREEN)
    d.box("store", 4, 3, "STORE", GREEN)
    d.box("scratch", 4, 4, "scratchpad\noptional")
    d.arrow("memory", "arbiter")
    d.arrow("arbiter", "fetch")
    d.arrow("fetch", "queues")
    d.arrow("arbiter", "load")
    d.arrow("arbiter", "weights")
    d.arrow("arbiter", "residual")
    d.arrow("load", "buffer")
    d.arrow("weights", "fifo")
    d.arrow("residual", "rfifo")
    d.arrow("buffer", "array")
    d.arrow("array", "acc")
    d.arrow("rfifo", "drain")
    d.arrow("acc", "drain")
    d.arrow("drain", "store")
    d.arrow("store", "scratch", "kept maps")
    # Weights pass the accumulators' box on their way up to the array.
    (x, y), (to, up) = d.middles["fifo"], d.middles["array"]
    d.line([(x + 75, y), (x + 102, y), (x + 102, up + 14), (to - 75, up + 14)])
    (x, y), (to, down) = d.middles["store"], d.middles["memory"]
    d.line([(x - 75, y + 8), (x - 102, y + 8), (x - 102, y + 42), (to, y + 42), (to, down + 23)])
    d.text((x + to) / 2 - 100, y + 52, "AXI4: feature maps back to memory", size=11)
    (x, y), (to, down) = d.middles["scratch"], d.middles["memory"]
    d.text(x - 90, y, "read by LOAD and RESIDUAL instead of memory", size=11, anchor="end")
    return d


def software() -> Drawing:
    d = Flow(5, 4, "From a module to equal tensors")
    d.box("module", 0, 0, "PyTorch module", ORANGE)
    d.box("float", 1, 0, "float graph\none node, one operator")
    d.box("simple", 2, 0, "float graph\nfolded, fused")
    d.box("int", 3, 0, "integer graph")
    d.box("golden", 4, 0, "golden tensors", GREEN)
    d.box("placed", 3, 1, "placed graph\nwhere tensors lie")
    d.box("layers", 2, 1, "layers\none operator, one layer")
    d.box("fused", 1, 1, "layers\ntables, pools fused")
    d.box("tiles", 0, 1, "accumulator tiles")
    d.box("program", 0, 2, "instructions")
    d.box("image", 1, 2, "image file", ORANGE)
    d.box("functional", 2, 3, "memory\nchecked", GREY)
    d.box("rtl", 2, 2, "RTL\ntensors, counters", GREEN)
    d.box("equal", 4, 2, "equal?", RED)
    d.arrow("module", "float", "import")
    d.arrow("float", "simple", "passes")
    d.arrow("simple", "int", "quantise")
    d.arrow("int", "golden", "run")
    d.arrow("int", "placed", "placement")
    d.arrow("placed", "layers", "lower")
    d.arrow("layers", "fused", "passes")
    d.arrow("fused", "tiles", "tiling")
    d.arrow("tiles", "program", "loads, schedule")
    d.arrow("program", "image", "layout")
    d.arrow("image", "rtl", "sim")
    d.arrow("image", "functional", "functional")
    d.arrow("rtl", "equal", "compare")
    d.arrow("golden", "equal")
    return d


def board() -> Drawing:
    d = Flow(5, 4, "The SoC on a board")
    d.box("host", 0, 1, "host\nfpga/host", ORANGE)
    d.box("bridge", 1, 1, "serial bridge")
    d.box("bus", 2, 1, "bus", GREY)
    d.box("regs", 2, 0, "registers\nof the accelerator")
    d.box("accelerator", 3, 0, "accelerator", GREEN)
    d.box("cdc", 4, 0, "clock crossing\nwidth converter", GREY)
    d.box("front", 4, 1, "LiteDRAM\nAXI front end")
    d.box("crossbar", 3, 1, "LiteDRAM\ncrossbar")
    d.box("dfii", 2, 2, "memory controller\nregisters")
    d.box("phy", 3, 2, "SDRAM PHY")
    d.box("chip", 3, 3, "SDRAM chip", ORANGE)
    d.arrow("host", "bridge", "CRC-32")
    d.arrow("bridge", "bus", "Wishbone")
    d.arrow("bus", "regs", "AXI4-Lite")
    d.arrow("bus", "crossbar")
    d.arrow("bus", "dfii")
    d.arrow("regs", "accelerator")
    d.arrow("accelerator", "cdc", "AXI4")
    d.arrow("cdc", "front")
    d.arrow("front", "crossbar")
    d.arrow("dfii", "phy")
    d.arrow("crossbar", "phy")
    d.arrow("phy", "chip")
    return d


def array() -> Drawing:
    """Of preset `tiny`: its columns, each of rows / 2 pair elements."""
    rows, columns = TINY.rows, TINY.columns
    left, top, pitch = 170, 80, 165
    d = Drawing(left + columns * pitch + 10, 430, "The systolic array of preset tiny")
    d.text(
        left, 22, "one pixel a cycle, one column to the right a cycle", anchor="start", bold=True
    )
    d.rect(15, top, 115, 150, ORANGE)
    d.text(72, top + 20, "vector", bold=True)
    for i in range(rows):
        d.text(72, top + 48 + 25 * i, f"a{i}: channel {i}", size=12)
    for c in range(columns):
        x = left + c * pitch
        d.rect(x, 45, 135, 330, PAPER, FAINT)
        d.text(x + 67, 60, f"column {c}", bold=True)
        d.text(x + 67, 362, f"output channel {c}", size=11)
        for e in range(rows // 2):
            y = top + 5 + 75 * e
            d.rect(x + 12, y, 110, 60, BLUE)
            d.text(x + 67, y + 14, "pair element", size=11, bold=True)
            d.text(x + 67, y + 32, f"(a{2 * e} + w{2 * e + 1})", size=12)
            d.text(x + 67, y + 48, f"× (a{2 * e + 1} + w{2 * e})", size=12)
            before = 130 if c == 0 else x - pitch + 122
            d.line([(before, y + 30), (x + 12, y + 30)])
        d.rect(x + 12, 240, 110, 30, GREY)
        d.text(x + 67, 255, "adder tree", size=12)
        d.line([(x + 67, 220), (x + 67, 240)])
        d.rect(x + 12, 285, 110, 30, GREY)
        d.text(x + 67, 300, "− Σ a0·a1", size=12)
        d.line([(x + 67, 270), (x + 67, 285)])
        d.rect(x + 12, 392, 110, 30, GREEN)
        d.text(x + 67, 407, "accumulators", size=12)
        d.line([(x + 67, 315), (x + 67, 350)], arrow=False)
        d.line([(x + 67, 374), (x + 67, 392)])
    d.rect(15, 285, 115, 30, GREY)
    d.text(72, 300, "shared Σ a0·a1", size=12)
    d.line([(72, 230), (72, 285)])
    d.line([(130, 300), (left + 12, 300)])
    for c in range(1, columns):
        d.line([(left + c * pitch - 43, 300), (left + c * pitch + 12, 300)])
    d.text(15, 350, "the shared term hops along", size=11, anchor="start")
    d.text(15, 366, "with the pixel", size=11, anchor="start")
    return d


def signed(value: int, bits: int) -> int:
    return value - (1 << bits) if value >> (bits - 1) else value


PIXELS = 16  # of the convolution's map, and so of each k-tile


class Run:
    """convolution.json: signals by cycle; checks what the pictures say."""

    def __init__(self) -> None:
        found = json.loads((HERE / "convolution.json").read_text())
        self.counters = found["counters"]
        self.signals = {name: np.array(values) for name, values in found["signals"].items()}
        self.weight = np.array(found["weight"])
        # Cycles in which a k-tile's first pixel enters, with the next slot of weights.
        (changes,) = np.nonzero(np.diff(self.signals["slot"]))
        self.starts = [int(changes[0]) + 1 - PIXELS, *(int(cycle) + 1 for cycle in changes)]
        (self.sent,) = np.nonzero(self.signals["weight_valid"])  # word after word of the weights

    def word(self, signal: str, cycle: int) -> list[int]:
        """Four signed bytes: of ``vector``, what enters column 0; of ``weight``, the bus."""
        value = int(self.signals[signal][cycle])
        return [signed(value >> (8 * i) & 255, 8) for i in range(TINY.rows)]

    def weights(self, k_tile: int, column: int) -> list[int]:
        """A column's weights of a k-tile: those of one place of the kernel."""
        return self.weight[column, :, k_tile // 3, k_tile % 3].tolist()

    def dot(self, cycle: int, column: int) -> int:
        return signed(int(self.signals[f"dot{column}"][cycle]), DOT_BITS)

    def check(self, cycle: int, k_tile: int, column: int) -> int:
        """The dot product of the vector that enters in ``cycle``, where and when it comes out."""
        a, w = self.word("vector", cycle), self.weights(k_tile, column)
        got = self.dot(cycle + LATENCY + column, column)
        # What the elements add is w0*w1 of each pair, which the bias takes away again.
        extra = sum(w[i] * w[i + 1] for i in range(0, len(w), 2))
        assert got == np.dot(a, w) + extra, (cycle, k_tile, column)
        return got


def pair_element() -> Drawing:
    """One element with the numbers of the convolution's first pixel that is not padding."""
    run = Run()
    first = run.starts[0]
    pixel = next(
        t for t in range(PIXELS) if run.word("vector", first + t) != run.word("vector", first)
    )
    a, w = run.word("vector", first + pixel), run.weights(0, 0)
    x, y = a[0] + w[1], a[1] + w[0]
    d = Drawing(820, 300, "A pair element: two products with one multiplier")
    for label, value, py in (
        ("a0", a[0], 60), ("w1", w[1], 105), ("a1", a[1], 175), ("w0", w[0], 220)
    ):  # fmt: skip
        d.text(20, py, f"{label} = {value}", anchor="start", bold=True)
        d.line([(105, py), (165, py)])
    for py, text, value in ((60, "a0 + w1", x), (175, "a1 + w0", y)):
        d.rect(165, py - 15, 120, 75, BLUE)
        d.text(225, py + 10, text)
        d.text(225, py + 32, f"= {value}", bold=True)
        d.text(225, py + 50, "9 bits", size=10)
        d.line([(285, py + 22), (365, py + 22 + (40 if py == 60 else -40))])
    d.rect(365, 90, 130, 100, GREEN)
    d.text(430, 122, "multiplier", bold=True)
    d.text(430, 146, f"{x} × {y}")
    d.text(430, 168, f"= {x * y}", bold=True)
    d.text(430, 183, "17 bits", size=10)
    d.line([(495, 140), (560, 140)])
    d.text(568, 140, f"product = {x * y}", anchor="start", size=12, bold=True)
    for px, text in ((225, "cycle 1"), (430, f"cycles 2 to {element.PairElement.latency}")):
        d.text(px, 22, text, size=12, fill=FAINT)
    products = a[0] * w[0] + a[1] * w[1]
    shared, constant = a[0] * a[1], w[0] * w[1]
    assert x * y == products + shared + constant
    d.text(
        20,
        262,
        f"{x * y} = a0·w0 + a1·w1 ({products}) + a0·a1 ({shared}) + w0·w1 ({constant})",
        anchor="start",
    )
    d.text(
        20,
        284,
        "a0·a1 is the same for every column and subtracted at its foot; "
        "w0·w1 is a constant, in the bias",
        anchor="start",
        size=12,
    )
    return d


STATES = {"busy": GREEN, "waits": ORANGE}
ARRAY_STATES = {
    "busy": GREEN,
    "no instruction": GREY,
    "waits for input": ORANGE,
    "waits for drain": RED,
    "waits for weights": BLUE,
}


def engines() -> Drawing:
    """What the engines do over the whole run."""
    run = Run()
    cycles = run.counters["CYCLES"]
    left, scale = 90, 1.75
    d = Drawing(left + scale * cycles + 25, 300, "One convolution: the engines over its cycles")
    rows = [(name, NAMES["engine"], STATES) for name in ("load", "weights", "drain", "store")]
    rows.insert(2, ("array", NAMES["array"], ARRAY_STATES))
    for at, (signal, names, colours) in enumerate(rows):
        y = 30 + 38 * at
        d.text(left - 10, y + 12, signal.upper() if signal != "array" else signal, anchor="end")
        states = [names[int(value)] for value in run.signals[signal][:cycles]]
        start = 0
        for cycle in range(1, cycles + 1):
            if cycle == cycles or states[cycle] != states[start]:
                if states[start] in colours:
                    width = scale * (cycle - start)
                    fill = colours[states[start]]
                    d.rect(left + scale * start, y, width, 24, fill, FAINT)
                    if width > 95:
                        middle = left + scale * start + width / 2
                        d.text(middle, y + 12, states[start], size=11)
                start = cycle
    for cycle in range(0, cycles + 1, 50):
        x = left + scale * cycle
        d.line([(x, 222), (x, 228)], arrow=False)
        d.text(x, 238, str(cycle), size=11)
    d.text(left - 10, 238, "cycle", size=11, anchor="end")
    for at, (name, fill) in enumerate((ARRAY_STATES | {"waits": ORANGE}).items()):
        if name != "waits for drain":
            x = left + 135 * (at - (at > 3))
            d.rect(x, 262, 16, 16, fill, FAINT)
            d.text(x + 22, 270, name, size=11, anchor="start")
    return d


def array_cycles() -> Drawing:
    """The array around the change from the first k-tile to the second."""
    run = Run()
    first, change = run.starts[:2]
    begin, end = change - 3, change + LATENCY + TINY.columns + 1
    left, width = 120, 54
    d = Drawing(left + width * (end - begin) + 15, 440, "The array, cycle by cycle")
    colours = (BLUE, GREEN)
    # (row, height): cycle, pixel and vector, weight bus, dot products.
    for cycle in range(begin, end):
        x = left + width * (cycle - begin)
        d.text(x + width / 2, 18, str(cycle), size=12, bold=True)
        k_tile, pixel = divmod(cycle - first, PIXELS)
        d.rect(x + 2, 32, width - 4, 112, colours[k_tile])
        d.text(x + width / 2, 44, f"pixel {pixel}", size=11, bold=True)
        for i, value in enumerate(run.word("vector", cycle)):
            d.text(x + width / 2, 64 + 20 * i, str(value), size=12)
        slot = int(run.signals["slot"][cycle])
        assert slot == k_tile
        d.text(x + width / 2, 160, f"slot {slot}", size=11, bold=True)
        if run.signals["weight_valid"][cycle]:
            coming, column = divmod(int(np.searchsorted(run.sent, cycle)), TINY.columns)
            assert column == run.signals["weight_column"][cycle]
            words = run.word("weight", cycle)
            assert words == run.weights(coming, column)
            d.rect(x + 2, 178, width - 4, 74, ORANGE)
            d.text(x + width / 2, 190, f"slot {coming}", size=11, bold=True)
            d.text(x + width / 2, 206, f"column {column}", size=11, bold=True)
            d.text(x + width / 2, 223, f"{words[0]}, {words[1]},", size=10)
            d.text(x + width / 2, 238, f"{words[2]}, {words[3]}", size=10)
        for column in range(TINY.columns):
            entered = cycle - LATENCY - column
            if entered < first:
                continue
            k_tile, pixel = divmod(entered - first, PIXELS)
            value = run.check(entered, k_tile, column)
            y = 268 + 42 * column
            d.rect(x + 2, y, width - 4, 38, colours[k_tile])
            d.text(x + width / 2, y + 12, f"pixel {pixel}", size=10)
            d.text(x + width / 2, y + 27, str(value), size=12, bold=True)
    d.text(left - 10, 18, "cycle", anchor="end", size=12)
    d.text(left - 10, 44, "enters column 0", anchor="end", size=12, bold=True)
    for i in range(TINY.rows):
        d.text(left - 10, 64 + 20 * i, f"channel {i}", anchor="end", size=11)
    d.text(left - 10, 206, "weight bus", anchor="end", size=12, bold=True)
    d.text(left - 10, 226, "for k-tiles to come", anchor="end", size=11)
    for column in range(TINY.columns):
        y = 268 + 42 * column
        d.text(left - 10, y + 12, f"column {column}", anchor="end", size=12, bold=True)
        d.text(left - 10, y + 28, "dot product", anchor="end", size=11)
    return d


PICTURES = {
    "architecture": architecture,
    "software": software,
    "board": board,
    "array": array,
    "pair-element": pair_element,
    "engines": engines,
    "array-cycles": array_cycles,
}


def draw(folder: Path) -> None:
    for name, picture in PICTURES.items():
        (folder / f"{name}.svg").write_text(picture().svg())


if __name__ == "__main__":
    draw(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)
