"""Why residuals: a deep plain network beside its residual twin, trained, then both on the RTL.

In the repository's folder: .venv/bin/python examples/02_residuals.py
"""

# %% Two networks of 26 layers with the same parameters; one has shortcuts around every two layers.
import json
from pathlib import Path

import digits
import plotly.graph_objects as go
import torch
import twins

from resarray.cli.main import run

STEPS = 60
OUT = Path("build/examples")
OUT.mkdir(parents=True, exist_ok=True)
NETWORKS = {"plain": twins.plain, "residual": twins.residual}

# %% Train both from the same initial weights, keep the loss and, in the first step, the norm of the
# gradient of each convolution.
losses: dict[str, list[float]] = {}
gradients: dict[str, list[float]] = {}
for name, build in NETWORKS.items():
    torch.manual_seed(0)
    model = build()
    convs = [m for m in model.modules() if isinstance(m, torch.nn.Conv2d)]
    loss_of, norms = losses.setdefault(name, []), gradients.setdefault(name, [])

    def look(step: int, loss: float, loss_of=loss_of, norms=norms, convs=convs) -> None:
        loss_of.append(loss)
        if step == 0:
            norms += [conv.weight.grad.norm().item() for conv in convs]

    digits.train(model, STEPS, look=look)
    torch.save(model.state_dict(), OUT / f"{name}.pth")
    print(
        f"{name}: loss {sum(loss_of[-10:]) / 10:.3f}, "
        f"held-out digits {digits.accuracy(model):.1%}, "
        f"gradient of the first layer {norms[0]:.2g}, of the last {norms[-1]:.2g}"
    )

# %% Plots: without shortcuts the gradient changes by orders of magnitude from layer to layer, so
# no rate suits all layers, and the loss falls late.
for title, values, axis, log in (
    ("loss", losses, "step", False),
    ("gradient norm in the first step", gradients, "convolution", True),
):
    figure = go.Figure([go.Scatter(y=y, name=name) for name, y in values.items()])
    figure.update_layout(title=title, xaxis_title=axis, yaxis_type="log" if log else "linear")
    path = OUT / f"residuals_{title.split()[0]}.html"
    figure.write_html(path, include_plotlyjs=True)
    print(f"{title}: {path}")

# %% Both on the RTL. The shortcut is a residual read while the layer drains: the array's cycles are
# the same, only a few words more are read.
for name in NETWORKS:
    network = ["--model", f"examples/twins.py:{name}", "--weights", str(OUT / f"{name}.pth")]
    result = OUT / f"{name}.json"
    options = ["--images", "digits", "--preset", "tiny", "--json", str(result)]
    assert run(["sim", *network, *options]) == 0
counters = {name: json.loads((OUT / f"{name}.json").read_text())["counters"] for name in NETWORKS}
for name, counts in counters.items():
    print(f"{name}: {counts['CYCLES']:,} cycles, {counts['READ_BEATS']:,} words read")
