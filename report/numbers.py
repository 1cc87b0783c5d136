"""Verdict, predictions and the error of int8: tables and plots of one result."""

import math

from .figure import Figure, bars, color, rows_layout
from .text import Table, count, decimal, percent


def verdict(result: dict) -> str:
    """One sentence: equal, or where the first difference is."""
    tensors, values = result["tensors_compared"], count(result["values_compared"])
    if result["bit_exact"]:
        return (
            "Every value that the hardware stored equals the golden model: "
            f"{tensors} tensors, {values} values."
        )
    wrong = [tensor for tensor in result["tensors"] if tensor["mismatches"]]
    first = wrong[0]
    image, channel, row, column = first["first"]["position"]
    return (
        f"{count(result['mismatches'])} of {values} values, in {len(wrong)} of {tensors} tensors, "
        f"differ from the golden model, the first in tensor '{first['name']}' of layer "
        f"'{first['layer']}', image {image}, channel {channel}, row {row}, column {column}: "
        f"expected {first['first']['expected']}, got {first['first']['got']}."
    )


def mismatch_table(result: dict) -> Table:
    """Every tensor that differs, in execution order."""
    return Table(
        ["tensor", "layer", "differ", "of", "first at [image, c, h, w]", "expected", "got"],
        [
            [
                t["name"],
                t["layer"],
                count(t["mismatches"]),
                count(t["values"]),
                str(t["first"]["position"]),
                str(t["first"]["expected"]),
                str(t["first"]["got"]),
            ]
            for t in result["tensors"]
            if t["mismatches"]
        ],
        left=(0, 1),
    )


def outputs(result: dict) -> list[str]:
    """A sentence for each output: how often float, integer model and hardware choose the same
    class, or its error where it has none."""
    sentences = []
    for number, output in enumerate(result["outputs"]):
        if number == 0 and result["predictions"]:
            agree = sum(p["float"] == p["int8"] == p["rtl"] for p in result["predictions"])
            sentences.append(
                f"float, int8 and RTL choose the same class on {agree} of {result['images']} images"
            )
            continue
        shape, decibels = "×".join(map(str, output["shape"])), output["sqnr_db"]
        error = "equals float" if decibels is None else f"has an SQNR of {decibels:.1f} dB"
        sentences.append(f"output {output['tensor']}, {shape}, {error}")
    return sentences


def class_name(result: dict, number: int | None) -> str:
    """The name of a class; its number where it has none."""
    if number is None:
        return "unknown"
    names = result["class_names"]
    return names[number] if number < len(names) else str(number)


def number_table(result: dict) -> Table:
    """Error and saturation of every stored tensor."""
    headings = ["layer", "scale", "SQNR (dB)"]
    headings += [f"{which} error (steps)" for which in ("mean", "rms", "largest")]
    headings += ["clipped low", "clipped high", "at −128", "at 127", "mismatches"]
    return Table(
        headings,
        [
            [
                t["layer"],
                f"{t['scale']:.4g}",
                decimal(t["error"]["sqnr_db"]),
                decimal(t["error"]["mean_steps"], 3),
                decimal(t["error"]["rms_steps"], 2),
                decimal(t["error"]["max_steps"], 2),
                count(t["saturation"]["clipped_low"]),
                count(t["saturation"]["clipped_high"]),
                percent(t["saturation"]["at_lowest"] / t["values"]),
                percent(t["saturation"]["at_highest"] / t["values"], 3),
                count(t["mismatches"]),
            ]
            for t in result["tensors"]
        ],
    )


def at_least(decibels: float) -> str:
    """A lower bound that still is one when it is rounded."""
    return f"{math.floor(10 * decibels) / 10:.1f}"


def sqnr(result: dict) -> Figure:
    tensors = result["tensors"]
    known = [t for t in tensors if t["error"]["sqnr_db"] is not None]
    names = [t["layer"] for t in tensors]
    if known:
        worst = min(known, key=lambda t: t["error"]["sqnr_db"])
        title = (
            f"Int8 keeps at least {at_least(worst['error']['sqnr_db'])} dB of signal over its "
            f"error, least in {worst['layer']}"
        )
    else:
        title = "Int8 equals float in every layer"
    return Figure(
        "sqnr",
        title,
        "Signal-to-quantisation-noise ratio of each layer's output against the float network on "
        "the same picture, with all earlier layers' errors in it; 6 dB are one bit. No bar: the "
        "layer is exact, or all zeros.",
        [bars(names, [t["error"]["sqnr_db"] for t in tensors], "SQNR", "compute", "%{x:.1f} dB")],
        rows_layout(names, "dB", showlegend=False),
    )


def histogram(result: dict) -> Figure:
    """The distribution of each layer's error; one layer at a time."""
    data = []
    for index, tensor in enumerate(result["tensors"]):
        error = tensor["error"]
        bins = len(error["histogram"])
        width = 2 * error["span_steps"] / bins
        data.append(
            {
                "type": "bar",
                "name": tensor["layer"],
                "visible": index == 0,
                "x": [round(-error["span_steps"] + (i + 0.5) * width, 4) for i in range(bins)],
                "y": [n / sum(error["histogram"]) for n in error["histogram"]],
                "width": width,
                "customdata": error["histogram"],
                "marker": {"color": color("compute")},
                "hovertemplate": "%{x:.2f} steps: %{customdata:,} values, %{y:.2%}<extra></extra>",
            }
        )
    bias = max(abs(tensor["error"]["mean_steps"]) for tensor in result["tensors"])
    bound = math.ceil(100 * bias) / 100
    return Figure(
        "histogram",
        f"The mean error of every layer is within ±{bound:.2f} of an int8 step",
        "Distribution of hardware minus float in int8 steps of the layer's output; one rounding "
        "alone stays within ±0.5. What lies outside the plot is in the outermost bars.",
        data,
        {
            "height": 300,
            "bargap": 0,
            "showlegend": False,
            "xaxis": {"title": {"text": "error (int8 steps)"}},
            "yaxis": {"title": {"text": "share of values"}, "tickformat": ".0%"},
        },
        menu=tuple(tensor["layer"] for tensor in result["tensors"]),
        menu_label="Layer",
        show=tuple((i,) for i in range(len(data))),
    )
