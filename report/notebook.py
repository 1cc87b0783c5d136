"""What the Python API's objects show of themselves in a notebook: fragments of HTML, whose text is
escaped and which need no script."""

import dataclasses

from .figure import Figure
from .inspection import (
    memory,
    operator_table,
    predicted_roofline,
    preset_table,
    rooflines,
)
from .inspection import verdict as inspection_verdict
from .performance import roofline
from .svg import svg
from .template import template
from .text import Table, count, percent, quantity, shape


def of_text(title: str, *lines: str) -> str:
    """What has no figures yet."""
    return _fragment(title, lines=[*lines])


def of_inspection(found: dict) -> str:
    """What `Inspection.as_dict` says."""
    tables = [preset_table(found)] if found["presets"] else []
    preset, figure = rooflines(found)[-1] if rooflines(found) else ("", None)
    return _fragment(
        f"{found['model']} at {shape(found['input_shape'])}",
        (found["runs"], inspection_verdict(found)),
        [*found["reasons"], *([f"Predicted, memory: {memory(found)}."] if tables else [])],
        [*tables, operator_table(found["operators"])],
        dataclasses.replace(figure, title=f"Preset '{preset}': {figure.title}")
        if figure is not None
        else None,
    )


def of_graph(name: str, size: tuple[int, int], layers: list[dict], warnings: list[str]) -> str:
    """An integer graph: name, op, shape, macs, scale and zero_point of each layer."""
    rows = [
        [
            layer["name"],
            layer["op"],
            shape(layer["shape"]),
            count(layer["macs"]),
            f"{layer['scale']:.4g}",
            str(layer["zero_point"]),
        ]
        for layer in layers
    ]
    headings = ["layer", "operator", "output", "MACs", "scale", "zero point"]
    table = Table(headings, rows, left=(0, 1))
    return _fragment(f"{name} at {shape([*size])}, int8", lines=warnings, tables=[table])


def of_program(facts: dict, config: dict, bytes_per_cycle: float | None) -> str:
    """What `Program.facts` says."""
    peak = config["rows"] * config["columns"]
    rows = [
        [
            layer["name"],
            layer["op"],
            shape(layer["shape"]),
            count(layer["macs"]),
            count(layer["predicted_cycles"]),
            percent(layer["macs"] / (peak * max(1, layer["predicted_cycles"]))),
            quantity(layer["bytes_read"], "B"),
            quantity(layer["bytes_written"], "B"),
        ]
        for layer in facts["layers"]
    ]
    headings = ["layer", "operator", "output", "MACs", "cycles", "utilisation", "read", "written"]
    return _fragment(
        f"{facts['model']} for preset '{facts['preset']}'",
        lines=[
            f"{count(facts['predicted_cycles'])} cycles predicted for a batch of "
            f"{facts['batch']}, {count(facts['instructions'])} instructions, "
            f"{quantity(facts['memory_bytes'], 'B')} of memory"
        ],
        tables=[Table(headings, rows, left=(0, 1))],
        figure=predicted_roofline(config, facts["layers"], peak, bytes_per_cycle),
    )


def of_simulation(result: dict) -> str:
    """What `Simulation.summary` says."""
    rows = [
        [
            layer["name"],
            layer["op"],
            shape(layer["shape"]),
            count(layer["macs"]),
            count(layer["cycles"]),
            percent(layer["utilization"]),
            count(layer["mismatches"]),
        ]
        for layer in result["layers"]
    ]
    headings = ["layer", "operator", "output", "MACs", "cycles", "utilisation", "mismatches"]
    compared = f"{result['tensors_compared']} tensors, {count(result['values_compared'])} values"
    verdict = (
        f"Bit-exact: {compared} equal the golden model."
        if result["bit_exact"]
        else f"Mismatch: {count(result['mismatches'])} values differ ({compared})."
    )
    return _fragment(
        f"{result['model']} on preset '{result['preset']}'",
        (result["bit_exact"], verdict),
        [
            f"{count(result['cycles'])} cycles for {result['images']} images, "
            f"{percent(result['utilization'])} of the array busy",
            *result["differences"],
        ],
        [Table(headings, rows, left=(0, 1))],
        roofline(result),
    )


def _fragment(
    title: str,
    verdict: tuple[bool, str] | None = None,
    lines: list[str] | None = None,
    tables: list[Table] | None = None,
    figure: Figure | None = None,
) -> str:
    return template("fragment.html.j2").render(
        title=title,
        verdict=verdict,
        lines=lines or [],
        tables=tables or [],
        figure=figure,
        picture=None if figure is None else svg(figure),
    )
