"""What differs between runs of one network."""

from .figure import Figure, bars, rows_layout
from .text import NOTHING, Table, change, count, percent

SERIES = ("compute", "weights", "drain", "store", "fetch", "load")


def labels(results: list[dict]) -> list[str]:
    """A short name for each run: A, B, C ..."""
    return [chr(ord("A") + i) if i < 26 else str(i + 1) for i in range(len(results))]


def _settings(result: dict) -> dict[str, str]:
    """Everything that was chosen, as text by name."""
    memory, config = result["memory"], result["config"]
    return {
        "weights": result["weights"] or "the model's own",
        "preset": result["preset"],
        **{name: str(value) for name, value in config.items() if name != "name"},
        "memory latency": f"{memory['latency']} cycles",
        "memory bandwidth": "a word each way a cycle"
        if memory["bytes_per_cycle"] is None
        else f"{memory['bytes_per_cycle']:g} B/cycle",
        "stall probability": f"{memory['stall_probability']:g}",
        "stall seed": str(memory["seed"]),
        "images": str(result["images"]),
        "images in a program": str(result["batch"]),
        "pictures": result["image_source"],
        "simulator": result["simulator"],
        **{name: value for name, value in result["provenance"]["versions"].items()},
        "command": result["provenance"]["command"],
        "date": result["provenance"]["date"],
    }


def settings_table(results: list[dict]) -> Table:
    """Only what is not the same in all runs."""
    found = [_settings(result) for result in results]
    names = list(dict.fromkeys(name for settings in found for name in settings))
    rows = [[name, *(settings.get(name, NOTHING) for settings in found)] for name in names]
    differing = [row for row in rows if len(set(row[1:])) > 1]
    return Table(
        ["setting", *labels(results)],
        differing or [["nothing", *["the same"] * len(results)]],
        left=tuple(range(len(results) + 1)),
    )


def _layers(results: list[dict]) -> list[str]:
    """Names of the layers that any run has, in order of execution."""
    names = [layer["name"] for layer in results[0]["layers"]]
    for result in results[1:]:
        before = -1
        for layer in result["layers"]:
            if layer["name"] not in names:
                names.insert(before + 1, layer["name"])
            before = names.index(layer["name"])
    return names


def _layer_cycles(result: dict, name: str) -> float | None:
    """Cycles per image of a layer; None where the run has none of that name."""
    found = (row["cycles"] for row in result["layers"] if row["name"] == name)
    cycles = next(found, None)
    return None if cycles is None else _per_image(result, cycles)


def _per_image(result: dict, cycles: int) -> float:
    return cycles / result["images"]


def cycles_table(results: list[dict]) -> Table:
    """Cycles per image of each run, and by how much they differ from the first; the layers' methods
    where they are not the same."""
    names = labels(results)
    headings = ["layer", f"cycles {names[0]}"]
    for name in names[1:]:
        headings += [f"cycles {name}", f"{name} against {names[0]}"]

    def row(title: str, cycles: list[float | None]) -> list[str]:
        shown = [NOTHING if value is None else count(value) for value in cycles]
        base, cells = cycles[0], [title, shown[0]]
        for value, text in zip(cycles[1:], shown[1:], strict=True):
            cells += [text, NOTHING if value is None or base is None else change(value, base)]
        return cells

    rows = [
        row(name, [_layer_cycles(result, name) for result in results]) for name in _layers(results)
    ]
    rows.append(row("total", [_per_image(result, result["cycles"]) for result in results]))
    methods = [_methods(result) for result in results]
    if all(found == methods[0] for found in methods):
        return Table(headings, rows, total=True)
    columns = len(headings)
    headings += [f"method {name}" for name in names]
    for cells, name in zip(rows, [*_layers(results), ""], strict=True):
        cells += [found.get(name, NOTHING) if name else "" for found in methods]
    return Table(headings, rows, left=(0, *range(columns, len(headings))), total=True)


def _methods(result: dict) -> dict[str, str]:
    """How each layer's sums were made."""
    return {layer["name"]: layer["method"].partition(":")[0] for layer in result["layers"]}


def _verdict(result: dict) -> str:
    return "bit-exact" if result["bit_exact"] else f"{count(result['mismatches'])} values differ"


def totals_table(results: list[dict]) -> Table:
    """One line for each run."""
    return Table(
        [
            "run",
            "verdict",
            "cycles per image",
            "against A",
            "utilisation",
            "MACs/multiplier/cycle",
            "simulated (cycles/s)",
        ],
        [
            [
                name,
                _verdict(result),
                count(_per_image(result, result["cycles"])),
                change(
                    _per_image(result, result["cycles"]),
                    _per_image(results[0], results[0]["cycles"]),
                ),
                percent(result["utilization"], 2),
                f"{result['macs_per_multiplier_cycle']:.3f}",
                count(result["cycles_per_second"]),
            ]
            for name, result in zip(labels(results), results, strict=True)
        ],
        left=(0, 1),
    )


def _more_or_fewer(cycles: float, base: float) -> str:
    if cycles == base:
        return "as many cycles as"
    way = "more" if cycles > base else "fewer"
    return f"{percent(abs(cycles / base - 1), 2)} {way} cycles than"


def cycles(results: list[dict]) -> Figure:
    names = _layers(results)
    runs = labels(results)
    data = [
        bars(
            names,
            [_layer_cycles(result, name) for name in names],
            run,
            SERIES[i % len(SERIES)],
            "%{x:,.0f} cycles",
        )
        for i, (run, result) in enumerate(zip(runs, results, strict=True))
    ]
    totals = [_per_image(result, result["cycles"]) for result in results]
    changes = [
        f"{run} takes {_more_or_fewer(total, totals[0])} {runs[0]}"
        for run, total in zip(runs[1:], totals[1:], strict=True)
    ]
    layout = rows_layout(names, "cycles per image", barmode="group", bargap=0.25)
    layout["height"] += 10 * len(names) * (len(results) - 1)
    return Figure(
        "comparison",
        "; ".join(changes),
        "Cycles of every layer per image, run by run.",
        data,
        layout,
    )
