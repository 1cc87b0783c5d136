"""The result of a simulation: what ``--json`` writes and the table on the terminal."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table

from resarray.spec.config import Config
from resarray.spec.image import Image
from resarray.spec.numerics import sqnr
from resarray.spec.pixels import Size, size_text

from . import record
from .compare import Check, compare
from .format import FORMAT, has_classes, top1
from .run import MemoryModel, RunResult

# Columns that the table of ResNet-18 takes with operators, methods and shapes.
WIDE = 110


@dataclass(frozen=True)
class Experiment:
    """What was run, beside the image.

    model: its name; input_size: height and width
    weights: their file; None: the model's own, or those trained on the digits
    pixels: uint8 [images][H][W][C]; labels: [images] or None
    float_outputs: the float network's outputs [images, C, H, W] by name
    expected: golden tensors by name; floats: those of the float network, of the first images, or
    None: no file is wanted, only its figures
    command: the command line; simulator_version: as the tool prints it
    """

    model: str
    weights: str | None
    input_size: Size
    source: str
    simulator: str
    simulator_version: str
    command: str
    preset: str
    memory: MemoryModel
    pixels: np.ndarray
    expected: dict[str, np.ndarray]
    floats: dict[str, np.ndarray] | None
    float_outputs: dict[str, np.ndarray]
    labels: np.ndarray | None
    class_names: Sequence[str]


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else 0.0


def summarise(experiment: Experiment, image: Image, runs: Sequence[RunResult]) -> dict:
    """The result as plain data; counts are sums over ``runs``, programs of one ``image``."""
    manifest, config = image.manifest, image.config
    tensors = {
        name: np.concatenate([run.tensors[name] for run in runs]) for name in runs[0].tensors
    }
    checks = compare(tensors, experiment.expected)
    layers = [
        layer_row(entry, [run.layers[i] for run in runs], checks, config)
        for i, entry in enumerate(manifest["layers"])
    ]
    macs = sum(layer["macs"] for layer in layers)
    cycles = sum(run.cycles for run in runs)
    counters = {name: sum(run.counters[name] for run in runs) for name in runs[0].counters}
    seconds = sum(run.sim_seconds for run in runs)
    mismatches = sum(check.mismatches for check in checks.values())
    outputs = output_rows(experiment, image, tensors)
    predictions = _predictions(experiment, outputs, tensors)
    summary = {
        "format": FORMAT,
        "model": experiment.model,
        "weights": experiment.weights,
        "input_size": list(experiment.input_size),
        "images": len(tensors[manifest["outputs"][0]]),
        "batch": manifest["batch"],
        "image_source": experiment.source,
        "simulator": experiment.simulator,
        "preset": experiment.preset,
        "config": asdict(config),
        "config_hash": f"{config.hash:016x}",
        "bit_exact": mismatches == 0,
        "tensors_compared": len(checks),
        "values_compared": sum(check.values for check in checks.values()),
        "mismatches": mismatches,
        "macs": macs,
        "cycles": cycles,
        "utilization": _ratio(macs, config.macs_per_cycle * cycles),
        "macs_per_cycle": config.macs_per_cycle,
        "multipliers": config.multipliers,
        "macs_per_multiplier_cycle": _ratio(macs, config.multipliers * cycles),
        "sim_seconds": seconds,
        "cycles_per_second": _ratio(cycles, seconds),
        "memory": {
            "latency": experiment.memory.latency,
            "bytes_per_cycle": experiment.memory.bytes_per_cycle,
            "stall_probability": experiment.memory.stall_probability,
            "seed": experiment.memory.seed,
        },
        "counters": counters,
        "top1": top1(predictions),
        "predictions": predictions,
        "outputs": outputs,
        "layers": layers,
        "differences": [check.describe() for check in checks.values() if check.mismatches],
    }
    if experiment.floats is not None:
        summary |= _record(experiment, experiment.floats, image, runs, tensors, checks)
    return summary


def _record(
    experiment: Experiment,
    floats: dict[str, np.ndarray],
    image: Image,
    runs: Sequence[RunResult],
    tensors: dict[str, np.ndarray],
    checks: dict[str, Check],
) -> dict:
    """What a result file keeps beside the figures."""
    entries = {tensor["name"]: tensor for tensor in image.manifest["tensors"]}
    activity = runs[0].activity
    return {
        "tensors": [
            record.tensor_row(
                entries[name],
                check,
                tensors[name],
                experiment.expected[name],
                floats.get(name),
            )
            for name, check in checks.items()
        ],
        "class_names": list(experiment.class_names),
        "pictures": record.pictures(experiment.pixels),
        "timeline": activity and record.timeline(activity, runs[0].layers),
        "provenance": record.provenance(experiment.command, experiment.simulator_version),
    }


def layer_row(
    entry: dict, counters: list[dict[str, int]], checks: dict[str, Check], config: Config
) -> dict:
    """One layer's line: the manifest's facts, the hardware's counts, the comparison's verdict."""
    total = {name: sum(run[name] for run in counters) for name in counters[0]}
    macs, cycles = entry["macs"] * len(counters), total["CYCLES"]
    return {
        "name": entry["name"],
        "op": entry["op"],
        "method": entry["method"],
        "shape": entry["shape"],
        "macs": macs,
        "cycles": cycles,
        "predicted_cycles": entry["predicted_cycles"] * len(counters),
        "utilization": _ratio(macs, config.macs_per_cycle * cycles),
        "bytes_read": total["READ_BEATS"] * config.rows,
        "bytes_written": total["WRITE_BEATS"] * config.rows,
        "waits": {name: count for name, count in total.items() if name.startswith("WAIT_")},
        "mismatches": checks[entry["tensor"]].mismatches,
    }


def output_rows(experiment: Experiment, image: Image, tensors: dict[str, np.ndarray]) -> list[dict]:
    """Each output's shape and error against the float network's over all images."""
    rows = []
    for name in image.manifest["outputs"]:
        entry = next(t for t in image.manifest["tensors"] if t["name"] == name)
        real, got = experiment.float_outputs[name].astype(np.float64), tensors[name]
        error = (got.astype(np.float64) - entry["zero_point"]) * entry["scale"] - real
        decibels = sqnr(float(np.square(real).sum()), float(np.square(error).sum()))
        rows.append({"tensor": name, "shape": list(got.shape[1:]), "sqnr_db": decibels})
    return rows


def _predictions(
    experiment: Experiment, outputs: list[dict], tensors: dict[str, np.ndarray]
) -> list[dict]:
    """Per image the label and the classes that float, integer model and RTL choose by the first
    output; none where it is no vector."""
    if not has_classes(outputs[0]):
        return []
    name = outputs[0]["tensor"]
    golden, rtl, real = experiment.expected[name], tensors[name], experiment.float_outputs[name]

    def classes(values: np.ndarray) -> list[int]:
        return [int(c) for c in values.reshape(len(values), -1).argmax(axis=1)]

    labels = [None] * len(rtl) if experiment.labels is None else experiment.labels.tolist()
    chosen = zip(labels, *map(classes, (real, golden, rtl)), strict=True)
    return [
        {"image": i, "label": label, "float": float_, "int8": int8, "rtl": rtl_}
        for i, (label, float_, int8, rtl_) in enumerate(chosen)
    ]


def _percent(ratio: float) -> str:
    return f"{100 * ratio:.1f} %"


def _class_name(number: int | None, names: Sequence[str]) -> str:
    if number is None:
        return "unknown"
    return names[number] if number < len(names) else str(number)


def _table(result: dict, title: str, wide: bool) -> Table:
    """The layers; operators and shapes only where there is room."""
    table = Table(title=title, box=box.SIMPLE, pad_edge=False)
    # Where there is little room long names take two lines: numbers are never cut.
    table.add_column("layer", overflow="fold")
    headings = ("MACs", "cycles", "utilisation", "mismatches")
    for heading in ("op", "method", "shape", *headings) if wide else headings:
        left = heading in ("op", "method")
        table.add_column(heading, justify="left" if left else "right", no_wrap=True)

    def add(name: str, kind: tuple[str, ...], row: dict, style: str | None) -> None:
        numbers = (
            f"{row['macs']:,}",
            f"{row['cycles']:,}",
            _percent(row["utilization"]),
            f"{row['mismatches']:,}",
        )
        table.add_row(name, *(kind if wide else ()), *numbers, style=style)

    for layer in result["layers"]:
        shape = "x".join(map(str, layer["shape"]))
        kind = layer["op"], layer["method"].partition(":")[0], shape
        add(layer["name"], kind, layer, "red" if layer["mismatches"] else None)
    table.add_section()
    add("total", ("", "", ""), result, "bold")
    return table


def show(result: dict, class_names: Sequence[str], console: Console) -> None:
    """Print the table, the predictions and the verdict."""
    size = size_text(result["input_size"])
    title = f"{result['model']} at {size}, preset '{result['preset']}'"
    console.print(_table(result, title, console.width >= WIDE), markup=False)

    for prediction in result["predictions"][:10]:
        label, float_, int8, rtl = (
            _class_name(prediction[key], class_names) for key in ("label", "float", "int8", "rtl")
        )
        console.print(
            f"image {prediction['image']}: label {label}, float {float_}, integer {int8}, "
            f"RTL {rtl}",
            markup=False,
            highlight=False,
            soft_wrap=True,
        )
    # The classes say what there is to say of a vector.
    for output in result["outputs"][has_classes(result["outputs"][0]) :]:
        shape = "x".join(map(str, output["shape"]))
        decibels = output["sqnr_db"]
        error = "exact" if decibels is None else f"SQNR {decibels:.1f} dB"
        console.print(
            f"output {output['tensor']}, {shape}: {error} against float",
            markup=False,
            highlight=False,
            soft_wrap=True,
        )
    if result["images"] > 10 and result["top1"]["rtl"] is not None:
        top1 = ", ".join(f"{name} {_percent(value)}" for name, value in result["top1"].items())
        console.print(f"top-1 over {result['images']} images: {top1}", highlight=False)
    console.print(
        f"{result['macs_per_multiplier_cycle']:.2f} MACs per multiplier and cycle on "
        f"{result['multipliers']} multipliers; {result['simulator']} simulated "
        f"{result['cycles']:,} cycles in {result['sim_seconds']:.1f} s "
        f"({result['cycles_per_second']:,.0f} cycles/s)",
        highlight=False,
        soft_wrap=True,
    )
    for difference in result["differences"]:
        console.print(difference, style="red", markup=False, highlight=False, soft_wrap=True)
    compared = f"{result['tensors_compared']} tensors, {result['values_compared']:,} values"
    if result["bit_exact"]:
        verdict, style = f"BIT-EXACT: {compared} equal the golden model", "bold green"
    else:
        verdict, style = (
            f"MISMATCH: {result['mismatches']:,} values differ ({compared})",
            "bold red",
        )
    console.print(verdict, style=style, highlight=False, soft_wrap=True)
