"""The networks of the zoo on the RTL, each at a small input: what ``resarray zoo`` measures.

Weights are those that `resarray sim` takes: trained on the digits, or with random features and a
fitted last layer. As a program, `main` measures one network in a process of its own.
"""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed

import numpy as np

from resarray.compiler.compile import compile_graph
from resarray.golden import fast
from resarray.golden.pipeline import Network, batch_size, build_network
from resarray.sim import children
from resarray.spec.config import Config
from resarray.spec.errors import ResarrayError
from resarray.spec.pixels import size_text
from resarray.spec.presets import preset
from resarray.spec.progress import Progress, silent

from .measure import check, figures, simulate

# Images that the signal-to-noise ratio is measured on, of 64x64 pixels; fewer of larger ones.
IMAGES = 16
PIXELS = IMAGES * 64 * 64


def measure_all(
    names: Sequence[str], preset_name: str, size: str | None, jobs: int, progress: Progress
) -> list[dict]:
    """A row for each network, in their order, ``jobs`` of them at a time."""
    if jobs == 1:
        return [measure(name, preset_name, size, progress) for name in names]
    rows = {}
    with ThreadPoolExecutor(jobs) as pool:
        try:
            waiting = {pool.submit(_in_process, n, preset_name, size, jobs): n for n in names}
            progress(0, f"measuring {len(names)} networks")
            for future in as_completed(waiting):
                name = waiting[future]
                rows[name] = future.result()
                done = f"{name}, {len(rows)} of {len(names)}"
                progress(len(rows) / len(names), f"measuring {len(names)} networks: {done}")
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            children.end_all()
            raise
    return [rows[name] for name in names]


def measure(
    name: str, preset_name: str, size: str | None, progress: Progress, images: int = IMAGES
) -> dict:
    """The row of one network: with "refused", the reason, where it cannot run."""
    try:
        return _measure(name, preset(preset_name), size, progress, images)
    except ResarrayError as error:
        return {"name": name, "preset": preset_name, "input_size": size, "refused": str(error)}


def _measure(name: str, config: Config, size: str | None, progress: Progress, images: int) -> dict:
    network = build_network(name, input_size=size, count=images, progress=progress)
    program = compile_graph(network.graph, config)
    inputs = network.quantise(network.images(network.indices[:1]))
    result = simulate(name, program, inputs, progress)
    checks = check(network.graph, config, inputs, result)
    height, width = network.input_size
    count = max(1, min(images, PIXELS // (height * width)))
    return {
        "name": name,
        "preset": config.name,
        "input_size": size_text(network.input_size),
        **figures(program, result, checks),
        "sqnr_db": sqnr(network, network.indices[:count]),
        "sqnr_images": count,
    }


def sqnr(network: Network, indices: np.ndarray) -> float:
    """Signal-to-quantisation-noise ratio in dB of the integer network's logits against the float
    network's, over these images."""
    output = network.graph.tensors[network.graph.output]
    signal = noise = 0.0
    for first in range(0, len(indices), batch_size(network.input_size)):
        chosen = network.images(indices[first : first + batch_size(network.input_size)])
        exact = network.float_logits(chosen).astype(np.float64)
        values = fast.run(network.graph, network.quantise(chosen), keep_all=False)
        q = values[output.name][:, :, 0, 0].astype(np.float64)
        signal += (exact**2).sum()
        noise += ((exact - output.scale * (q - output.zero_point)) ** 2).sum()
    return float(10 * np.log10(signal / noise)) if signal and noise else float("inf")


def failures(rows: list[dict]) -> list[str]:
    """What was refused or differs from the golden model, as sentences."""
    return [
        f"{row['name']}: {row.get('refused') or str(row['mismatches']) + ' mismatches'}"
        for row in rows
        if not row.get("bit_exact")
    ]


def markdown(rows: list[dict]) -> str:
    """The table."""
    heads = (
        "network",
        "input",
        "MACs",
        "cycles",
        "utilisation",
        "MACs/multiplier/cycle",
        "predicted",
        "tensors equal",
        "SQNR",
    )
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for r in rows:
        if "refused" in r:
            first = r["refused"].partition("; also ")[0]
            cells = ["–"] * 6 + [f"refused: {first}"]
            lines.append(f"| `{r['name']}` | {r['input_size'] or '–'} | {' | '.join(cells)} |")
            continue
        equal = "all" if r["bit_exact"] else f"{r['mismatches']:,} values differ:"
        lines.append(
            f"| `{r['name']}` | {r['input_size']} | {r['macs']:,} | {r['cycles']:,} | "
            f"{100 * r['utilization']:.1f} % | {r['macs_per_multiplier_cycle']:.3f} | "
            f"{r['predicted_cycles']:,}, {100 * r['prediction_error']:+.2f} % | "
            f"{equal} of {r['tensors_compared']} | {r['sqnr_db']:.1f} dB |"
        )
    return "\n".join(lines) + "\n"


# -- several at a time -----------------------------------------------------------------------


def _in_process(name: str, preset_name: str, size: str | None, jobs: int) -> dict:
    threads = str(max(1, (os.cpu_count() or 1) // jobs))
    result = children.run(
        [sys.executable, "-m", __name__, name, preset_name, *([size] if size else [])],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**children.python_environment(), "OMP_NUM_THREADS": threads},
    )
    if result.returncode:
        raise RuntimeError(f"measuring {name} failed:\n{result.stderr}")
    return json.loads(result.stdout.splitlines()[-1])


def main(name: str, preset_name: str, size: str | None = None) -> None:
    """Print the row of one network."""
    print(json.dumps(measure(name, preset_name, size, silent)))


if __name__ == "__main__":
    main(*sys.argv[1:])
