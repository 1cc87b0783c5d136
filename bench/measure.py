"""Runs the cases on the RTL and judges the results."""

from dataclasses import replace

import numpy as np

from resarray.compiler.compile import compile_graph
from resarray.compiler.placement import complete
from resarray.golden import fast
from resarray.golden.graph import QGraph
from resarray.sim.compare import Check, compare
from resarray.sim.result import layer_row
from resarray.sim.run import MemoryModel, RunResult, run
from resarray.spec.config import Config
from resarray.spec.image import WINOGRAD, Image
from resarray.spec.presets import preset
from resarray.spec.progress import Progress
from resarray.spec.winograd import SPEEDUP

from . import cases
from .cases import Case

# Projections are stated for this clock; it is not a measurement.
CLOCK_MHZ = 100


def measure(case: Case, progress: Progress) -> dict:
    """Compile, run and compare one case; its row."""
    config = preset(case.preset)
    if not case.scratchpad:
        config = replace(config, scratch_words=0)
    graph, inputs = cases.network(case)
    memory = MemoryModel(case.latency, case.bytes_per_cycle, case.stall, seed=1)
    image = compile_graph(
        graph,
        config,
        batch=case.batch,
        bytes_per_cycle=case.bytes_per_cycle,
        latency=case.latency,
        winograd=case.winograd,
    )
    result = simulate(case.name, image, inputs, progress, memory)
    checks = check(graph, config, inputs, result)
    found = figures(image, result, checks)
    row = {
        "name": case.name,
        "model": case.model,
        "input_size": case.size,
        "preset": case.preset,
        "batch": case.batch,
        "word_bytes": config.rows,
        "bytes_per_cycle": case.bytes_per_cycle,
        "latency": case.latency,
        "stall_probability": case.stall,
        "winograd": case.winograd,
        **found,
        "roofline_cycles": roofline(image, result, case),
        "images_per_second": case.batch * CLOCK_MHZ * 1e6 / result.cycles,
        "clock_mhz": CLOCK_MHZ,
        "cycles_per_second": result.cycles_per_second,
        "counters": result.counters,
        "layers": [
            layer_row(layer, [counts], checks, config)
            for layer, counts in zip(image.manifest["layers"], result.layers, strict=True)
        ],
    }
    # A limit on random stalls would compare the memory, not the program.
    judged = case.stall == 0
    row["failed"] = [
        what
        for what, bad in (
            (f"{row['mismatches']} mismatches", row["mismatches"] > 0),
            (
                f"utilisation below {case.utilisation}",
                case.utilisation is not None and row["utilization"] < case.utilisation,
            ),
            (
                f"MACs per multiplier and cycle below {case.per_multiplier}",
                case.per_multiplier is not None
                and row["macs_per_multiplier_cycle"] < case.per_multiplier,
            ),
            (
                f"prediction off by more than {cases.PREDICTION_BAR}",
                judged and abs(row["prediction_error"]) > cases.PREDICTION_BAR,
            ),
        )
        if bad
    ]
    return row


def figures(image: Image, result: RunResult, checks: dict[str, Check]) -> dict:
    """Of one run: what is the same for every network and memory."""
    config, layers = image.config, image.manifest["layers"]
    macs = sum(layer["macs"] for layer in layers)
    predicted = sum(layer["predicted_cycles"] for layer in layers)
    mismatches = sum(check.mismatches for check in checks.values())
    return {
        "macs": macs,
        "cycles": result.cycles,
        "utilization": macs / (config.macs_per_cycle * result.cycles),
        "multipliers": config.multipliers,
        "macs_per_multiplier_cycle": macs / (config.multipliers * result.cycles),
        "predicted_cycles": predicted,
        "prediction_error": predicted / result.cycles - 1,
        "mismatches": mismatches,
        "tensors_compared": len(checks),
        "bit_exact": mismatches == 0,
        "sim_seconds": result.sim_seconds,
    }


def roofline(image: Image, result: RunResult, case: Case) -> int:
    """Least cycles of the program layer by layer: its MACs at the array's peak, by the layer's
    method, or its measured
    bytes at the memory's, whichever takes longer. Reads and writes share a limited port; the
    unlimited one moves a word each a cycle."""
    config = image.config
    total = 0.0
    for layer, counts in zip(image.manifest["layers"], result.layers, strict=True):
        read, written = (counts[f"{kind}_BEATS"] * config.rows for kind in ("READ", "WRITE"))
        if case.bytes_per_cycle is None:
            memory = max(read, written) / config.rows
        else:
            memory = (read + written) / case.bytes_per_cycle
        peak = config.macs_per_cycle * (SPEEDUP if layer["method"] == WINOGRAD else 1)
        total += max(layer["macs"] / peak, memory)
    return round(total)


def simulate(
    what: str,
    image: Image,
    inputs: np.ndarray,
    progress: Progress,
    memory: MemoryModel | None = None,
) -> RunResult:
    """`run` with progress by the predicted cycles."""
    predicted = sum(layer["predicted_cycles"] for layer in image.manifest["layers"])
    return run(
        image,
        inputs,
        memory=memory,
        note=lambda text: progress(None, text),
        progress=lambda job, cycles: progress(
            min(cycles / predicted, 1), f"simulating {what}: {cycles:,} cycles"
        ),
    )


def measure_scaling(progress: Progress) -> dict:
    """Cycles of a 3x3 convolution at 56x56 of 64 and of 128 channels."""
    rows = [
        _measure_alone(
            cases.square_conv(channels), f"a convolution of {channels} channels", progress
        )
        for channels in (64, 128)
    ]
    cycles = [row["cycles"] for row in rows]
    mismatches = sum(row["mismatches"] for row in rows)
    ratio = cycles[1] / cycles[0]
    return {
        "channels": [64, 128],
        "cycles": cycles,
        "ratio": ratio,
        "mismatches": mismatches,
        "failed": [f"ratio {ratio:.3f} is not 4 within {cases.SCALING_BAR:.0%}"]
        if abs(ratio / 4 - 1) > cases.SCALING_BAR or mismatches
        else [],
    }


def check(graph: QGraph, config: Config, inputs: np.ndarray, result: RunResult) -> dict[str, Check]:
    """Every stored tensor of a run against the golden model's, for int8 inputs [N][C][H][W]."""
    return compare(result.tensors, complete(graph, config, fast.run(graph, inputs)))


def measure_layers(progress: Progress) -> list[dict]:
    """Every different convolution of ResNet-18 at 224x224 as a program of its own, from start to
    interrupt: the load of its first tile and the drain of its last are not hidden."""
    return [
        _measure_alone(graph, f"{graph.name} by itself", progress)
        for graph in cases.single_layers(cases.network(cases.CASES[0])[0])
    ]


def _measure_alone(graph: QGraph, what: str, progress: Progress) -> dict:
    """Row of a small ``graph`` on the default preset, with a random image."""
    config = preset("default")
    shape = graph.tensors[graph.input].shape
    inputs = np.random.default_rng(0).integers(-128, 128, (1, *shape)).astype(np.int8)
    image = compile_graph(graph, config)
    result = simulate(what, image, inputs, progress)
    checks = check(graph, config, inputs, result)
    layers = image.manifest["layers"]
    macs = sum(layer["macs"] for layer in layers)
    return {
        "name": graph.name,
        "shape": layers[-1]["shape"],
        "macs": macs,
        "cycles": result.cycles,
        "utilization": macs / (config.macs_per_cycle * result.cycles),
        "predicted_cycles": sum(layer["predicted_cycles"] for layer in layers),
        "mismatches": sum(check.mismatches for check in checks.values()),
    }


def judge(rows: list[dict], scaling: dict | None, layers: list[dict]) -> list[str]:
    """Every bar that was missed, as sentences; empty: all were reached."""
    failed = [f"{row['name']}: {what}" for row in rows for what in row["failed"]]
    by_name = {row["name"]: row for row in rows}
    base, slow = by_name.get("ResNet-18, direct"), by_name.get("ResNet-18, direct, latency 100")
    if base:
        failed += [
            f"{base['name']}: layer {layer['name']} at {layer['utilization']:.3f}, below "
            f"{cases.LAYER_BAR}"
            for layer in base["layers"]
            if layer["op"].startswith("conv") and layer["utilization"] < cases.LAYER_BAR
        ]
    if base and slow and base["utilization"] - slow["utilization"] > cases.LATENCY_BAR:
        failed.append(f"latency 100 loses {base['utilization'] - slow['utilization']:.3f}")
    failed += [
        f"{layer['name']} by itself at {layer['utilization']:.3f}, below {cases.LAYER_BAR}"
        for layer in layers
        if layer["utilization"] < cases.LAYER_BAR
    ]
    failed += [
        f"{x['name']} by itself: {x['mismatches']} mismatches" for x in layers if x["mismatches"]
    ]
    return failed + (scaling["failed"] if scaling else [])


def markdown(rows: list[dict], scaling: dict | None, alone: list[dict]) -> str:
    """The table, and where ResNet-18's cycles went, as Markdown."""
    lines = [
        "| network | preset | memory | cycles | utilisation | MACs/multiplier/cycle | predicted | "
        f"roofline | images/s at {CLOCK_MHZ} MHz | simulated | mismatches |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for r in rows:
        width = r["bytes_per_cycle"] or r["word_bytes"]
        memory = f"{width:g} B/cycle, latency {r['latency']}"
        if r["stall_probability"]:
            memory += f", {100 * r['stall_probability']:.0f} % stalls"
        lines.append(
            f"| {r['name']} | {r['preset']} | {memory} | {r['cycles']:,} | "
            f"{100 * r['utilization']:.2f} % | {r['macs_per_multiplier_cycle']:.3f} | "
            f"{100 * r['prediction_error']:+.2f} % | "
            f"{100 * r['roofline_cycles'] / r['cycles']:.1f} % | {r['images_per_second']:.1f} | "
            f"{r['cycles_per_second']:,.0f} cycles/s, {r['sim_seconds']:.0f} s | "
            f"{r['mismatches']} in {r['tensors_compared']} tensors |"
        )
    if scaling:
        first, second = scaling["cycles"]
        lines += [
            "",
            "Doubling the channels of a 3x3 convolution at 56x56 from 64 to 128: "
            f"{first:,} to {second:,} cycles, a factor of {scaling['ratio']:.3f}.",
        ]
    if rows:
        heads = (
            "layer",
            "method",
            "cycles",
            "utilisation",
            "no instruction",
            "waits for input",
            "waits for the drain",
            "waits for weights",
            "predicted",
        )
        lines += ["", f"Layers of {rows[0]['name']}:", ""]
        lines += [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
        for layer in rows[0]["layers"]:
            waits = layer["waits"]
            numbers = " | ".join(
                f"{waits[f'WAIT_{kind}']:,}" for kind in ("INSTRUCTION", "LOAD", "DRAIN", "WEIGHTS")
            )
            lines.append(
                f"| {layer['name']} | {layer['method']} | {layer['cycles']:,} | "
                f"{100 * layer['utilization']:.1f} % | {numbers} | {layer['predicted_cycles']:,} |"
            )
    if alone:
        lines += [
            "",
            "Each different convolution of ResNet-18 as a program of its own:",
            "",
            "| layer | output | cycles | utilisation | predicted | mismatches |",
            "|---|---|---|---|---|---|",
        ]
        lines += [
            f"| {r['name']} | {'x'.join(map(str, r['shape']))} | {r['cycles']:,} | "
            f"{100 * r['utilization']:.1f} % | {r['predicted_cycles']:,} | {r['mismatches']} |"
            for r in alone
        ]
    return "\n".join(lines) + "\n"
