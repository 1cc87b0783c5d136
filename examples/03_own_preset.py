"""A preset of one's own, and what it does to cycles and to the size of the accelerator.

In the repository's folder: .venv/bin/python examples/03_own_preset.py
"""

# %% A preset is a file with the fields that differ from another one (docs/presets.md).
from pathlib import Path

from resarray.cli.presets import sizes
from resarray.compiler.compile import compile_graph
from resarray.golden.pipeline import prepare
from resarray.sim.compare import compare
from resarray.sim.run import run
from resarray.spec.presets import preset

OUT = Path("build/examples")
OUT.mkdir(parents=True, exist_ok=True)
mine = OUT / "mine.toml"
mine.write_text(
    """\
base = "tiny"
columns = 8         # twice the output channels in a pass
scratch_words = 0   # no scratchpad
"""
)

# %% One network, quantised once.
network = prepare("examples/small_resnet.py:build", images="digits")
macs = sum(network.graph.macs(op) for op in network.graph.ops)

# %% Compiled for several presets, with the compiler's prediction of cycles: within half a percent
# of the RTL for networks of usual size (docs/performance.md). Multipliers and memories are what the
# presets need of an FPGA; LUTs and the clock tells 'resarray synth', in minutes.
print(f"{'preset':24} {'multipliers':>11} {'memory':>9} {'cycles':>8} {'busy':>6}")
for text in ("tiny", str(mine), "tiny,element=mac", "25f", "small"):
    config = preset(text)
    image = compile_graph(network.graph, config)
    cycles = sum(layer["predicted_cycles"] for layer in image.manifest["layers"])
    memory = sum(sizes(config)["bytes"].values()) / 1024
    busy = macs / cycles / config.macs_per_cycle
    print(f"{text[-24:]:24} {config.multipliers:11} {memory:5.0f} KiB {cycles:8,} {busy:6.1%}")

# %% The prediction against the RTL. A network as small as this one is latencies to a large part.
image = compile_graph(network.graph, preset(str(mine)))
result = run(image, network.inputs_int8)
checks = compare(result.tensors, network.expected).values()
print(f"mine on the RTL: {result.cycles:,} cycles, {sum(c.mismatches for c in checks)} mismatches")
