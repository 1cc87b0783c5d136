"""One bit of the hardware broken, and found.

In the repository's folder: .venv/bin/python examples/06_broken_bit.py
"""

# %% A small network, compiled for preset tiny.
import shutil

import numpy as np
import torch
from torch import nn

from resarray.compiler.compile import compile_graph
from resarray.compiler.functional import run_image
from resarray.golden import fast
from resarray.golden.importer import import_model
from resarray.golden.quantise import quantise
from resarray.sim.build import verilog
from resarray.sim.compare import compare
from resarray.sim.run import run
from resarray.spec.memory import read_tensors
from resarray.spec.presets import preset

CONFIG = preset("tiny")
SHAPE = (4, 4, 4)
SIMULATOR = "icarus" if shutil.which("iverilog") else "verilator"
torch.manual_seed(1)
model = nn.Sequential(nn.Conv2d(4, 12, 3, padding=1), nn.ReLU(), nn.Conv2d(12, 8, 1)).eval()
images = torch.randn(8, *SHAPE)
with torch.no_grad():
    graph = quantise(import_model(model, SHAPE, "network"), images)
tensor = graph.tensors[graph.input]
values = np.round(images[:1].numpy() / tensor.scale) + tensor.zero_point
inputs = np.clip(values, -128, 127).astype(np.int8)
image = compile_graph(graph, CONFIG)
expected = fast.run(graph, inputs)

# %% The broken accelerator: bit 11 of what column 2 adds to its accumulators is turned around.
COLUMN, BIT = 2, 11
design = verilog(CONFIG)
begin = design.index(f"module \\resarray.core.accumulators.column{COLUMN} ")
end = design.index("endmodule", begin)
module = design[begin:end]
broken = module.replace(", dot };", f", dot ^ {CONFIG.dot_bits}'d{1 << BIT} }};")
assert broken != module, "the accumulators' Verilog is another one: change the line above"
design = design[:begin] + broken + design[end:]

# %% Run it: the report names the first tensor that differs, and where.
result = run(image, inputs, simulator=SIMULATOR, design=design)
checks = compare(result.tensors, expected)
for check in checks.values():
    print(check.describe())
first = next(check for check in checks.values() if check.mismatches)

# %% Is it the compiler or the hardware? The functional model runs the same instructions in numpy.
memory = run_image(image, inputs).view(np.int8)
functional = read_tensors(image, lambda start, size: memory[start : start + size])
assert all(not check.mismatches for check in compare(functional, expected).values())
print("the functional model runs the same program right: it is the hardware")

# %% Which part? An output channel is a column: channel modulo columns.
differs = (result.tensors[first.name] != expected[first.name]).sum((0, 2, 3))
by_column = differs.reshape(-1, CONFIG.columns).sum(0)
print("wrong values by column:", dict(enumerate(by_column.tolist())))
found = int(by_column.argmax())
assert found == COLUMN
assert by_column.sum() == by_column[found]
print(f"only column {found} is wrong, in all its channels: look at its waveforms")
