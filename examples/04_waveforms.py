"""One layer's waveforms, and what its array waited for.

In the repository's folder: .venv/bin/python examples/04_waveforms.py
"""

# %% Only the layer's cycles are recorded; a whole network's waveforms would be gigabytes.
import json
import shutil
from pathlib import Path

from resarray.cli.main import run

OUT = Path("build/examples")
OUT.mkdir(parents=True, exist_ok=True)
LAYER = "block1.conv1"
waves, result = OUT / "layer.fst", OUT / "layer.json"
# Verilator would build a simulation that can write waveforms first, for a minute or two.
simulator = "icarus" if shutil.which("iverilog") else "verilator"
network = ["--model", "examples/small_resnet.py:build", "--images", "digits", "--preset", "tiny"]
options = ["--sim", simulator, "--waves", str(waves), "--layer", LAYER, "--json", str(result)]
assert run(["sim", *network, *options]) == 0

# %% What to look for: the hardware's own counters say why the array was idle.
layer = next(x for x in json.loads(result.read_text())["layers"] if x["name"] == LAYER)
print(f"{layer['cycles']:,} cycles, the array busy in {layer['utilization']:.1%} of them")
for name, cycles in layer["waits"].items():
    print(f"{name:18} {cycles:6,}")

# %% To open them: GTKWave with a group for each engine and states by name, Surfer the .fst alone.
print(f"gtkwave {waves.with_suffix('.gtkw')}   (or: surfer {waves})")
print("docs/convolution.md follows such a run cycle by cycle")
