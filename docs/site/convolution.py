"""A small convolution on the RTL, cycle by cycle: writes convolution.json, which pictures.py draws.

    python docs/site/convolution.py

4 channels to 4, 3x3 kernel, a border of one pixel, 4x4 pixels, ReLU; preset `tiny` without
Winograd's tiles, Icarus Verilog.
"""

import json
import re
import tempfile
from pathlib import Path
from unittest import mock

import numpy as np
import torch
from torch import nn
from vcd.reader import TokenKind, tokenize

from resarray.compiler.compile import compile_graph
from resarray.golden import fast
from resarray.golden.importer import import_model
from resarray.golden.quantise import quantise
from resarray.sim import process
from resarray.sim.run import run
from resarray.sim.waves import Waves
from resarray.spec.presets import preset

PRESET = preset("tiny,winograd=false")
SHAPE = (4, 4, 4)
SEED = 7
ALL = 10_000  # cycles, more than there are
# What is followed: name here -> signal below the harness.
SIGNALS = {
    **{name: f"waves.{name}" for name in ("cycle", "array", "opcode")},
    **{name: f"waves.{name}" for name in ("load", "weights", "drain", "store")},
    "computes": "waves.compute",
    "vector": "accelerator.core.array.vector",
    "slot": "accelerator.core.array.slot",
    "weight": "accelerator.core.array.weight",
    "weight_valid": "accelerator.core.array.weight_valid",
    "weight_column": "accelerator.core.array.weight_column",
    **{f"dot{c}": f"accelerator.core.array.dot__{c}" for c in range(PRESET.columns)},
    "loaded": "accelerator.core.load.write__valid",
    "stored": "accelerator.core.bus__wvalid",
}


FILE = Path(__file__).with_name("convolution.json")


def record() -> dict:
    """Compile, run, compare and read the waveforms.

    signals: values of `SIGNALS` in each cycle of the run, unsigned as on the wires
    inputs, weight, output: int8 [C][H][W], [N][C][3][3], [N][H][W]
    """
    torch.manual_seed(SEED)
    model = nn.Sequential(nn.Conv2d(4, 4, 3, padding=1), nn.ReLU())
    images = torch.randn(8, *SHAPE)
    with torch.no_grad():
        graph = quantise(import_model(model.eval(), SHAPE, "convolution"), images)
    tensor = graph.tensors[graph.input]
    values = np.round(images[:1].numpy() / tensor.scale) + tensor.zero_point
    inputs = np.clip(values, -128, 127).astype(np.int8)
    expected = fast.run(graph, inputs)
    # A VCD file is text, which Python reads.
    with (
        tempfile.TemporaryDirectory() as folder,
        mock.patch.object(process, "ICARUS_DUMP", "-vcd"),
    ):
        path = Path(folder) / "a.fst"
        result = run(
            compile_graph(graph, PRESET),
            inputs,
            simulator="icarus",
            waves=Waves(path, start=0, stop=ALL),
        )
        found = read(path)
    for name, got in result.tensors.items():
        np.testing.assert_array_equal(got, expected[name])
    tensors = {
        "inputs": inputs[0],
        "weight": graph.ops[0].weight,
        "output": expected[graph.output][0],
    }
    return {
        "shape": SHAPE,
        "counters": result.counters,
        "signals": {name: values.tolist() for name, values in found.items()},
        **{name: values.tolist() for name, values in tensors.items()},
    }


def read(path: Path) -> dict[str, np.ndarray]:
    """Values of `SIGNALS` in each cycle of the run: int64 [cycles]."""
    codes: dict[str, str] = {}
    scopes: list[str] = []
    now: dict[str, int] = {}
    rows: list[list[int]] = []
    with path.open("rb") as file:
        for token in tokenize(file):
            if token.kind is TokenKind.SCOPE:
                scopes.append(token.scope.ident)
            elif token.kind is TokenKind.UPSCOPE:
                scopes.pop()
            elif token.kind is TokenKind.VAR:
                codes[".".join([*scopes[1:], token.var.reference])] = token.var.id_code
            elif token.kind is TokenKind.ENDDEFINITIONS:
                names = [codes[signal] for signal in SIGNALS.values()]
                clock = codes["clk"]
            elif token.kind is TokenKind.CHANGE_SCALAR or token.kind is TokenKind.CHANGE_VECTOR:
                value = token.data.value
                number = value if isinstance(value, int) else int(re.sub("[xz]", "0", value), 2)
                if token.data.id_code == clock and number:
                    rows.append([now.get(name, 0) for name in names])
                now[token.data.id_code] = number
    table = np.array(rows, np.int64)
    started = int(np.argmax(table[:, 0] == 1))  # cycle 0 is before it
    return dict(zip(SIGNALS, table[started - 1 :].T, strict=True))


if __name__ == "__main__":
    FILE.write_text(json.dumps(record(), separators=(",", ":")) + "\n")
