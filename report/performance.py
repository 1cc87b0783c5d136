"""Where the cycles and bytes went: tables and plots of one result."""

import math
from typing import Any

from resarray.spec.image import WINOGRAD
from resarray.spec.winograd import SPEEDUP

from .figure import Figure, bars, color, rows_layout
from .schema import ENGINES
from .text import NOTHING, Table, change, count, percent, quantity, shape

# Reasons for an idle array: name of the counter, words, colour.
WAITS = (
    ("WAIT_WEIGHTS", "waits for weights", "weights"),
    ("WAIT_LOAD", "waits for input", "load"),
    ("WAIT_DRAIN", "waits for the drain", "drain"),
    ("WAIT_INSTRUCTION", "no instruction", "fetch"),
)
ENGINE_WORDS = {
    "fetch": "instructions",
    "load": "load",
    "weights": "weights",
    "residual": "residual",
    "compute": "compute",
    "drain": "drain",
    "store": "store",
}


def layer_table(result: dict) -> Table:
    """Every layer with its cycles, losses and bytes, and their sum."""
    layers = result["layers"]
    headings = [
        "layer",
        "operator",
        "method",
        "shape",
        "cycles",
        "utilisation",
        "mismatches",
        "MACs",
    ]
    headings += ["predicted", "error", "MAC/byte", "of its roof"]
    headings += [*(words for _, words, _ in WAITS), "read", "written"]
    total = {
        key: sum(layer[key] for layer in layers)
        for key in (
            "macs",
            "cycles",
            "predicted_cycles",
            "bytes_read",
            "bytes_written",
            "mismatches",
        )
    }
    total |= {
        "name": "total",
        "op": "",
        "method": "",
        "parts": layers,
        "shape": [],
        "utilization": result["utilization"],
        "waits": result["counters"],
    }
    rows = [
        [
            row["name"],
            row["op"],
            row["method"],
            shape(row["shape"]),
            count(row["cycles"]),
            percent(row["utilization"]),
            count(row["mismatches"]),
            count(row["macs"]),
            count(row["predicted_cycles"]),
            change(row["predicted_cycles"], row["cycles"]),
            *_roof_cells(result, row),
            *(count(row["waits"][name]) for name, _, _ in WAITS),
            quantity(row["bytes_read"], "B"),
            quantity(row["bytes_written"], "B"),
        ]
        for row in (*layers, total)
    ]
    shares = [layer["utilization"] for layer in layers] + [result["utilization"]]
    return Table(headings, rows, left=(0, 1, 2, 3), total=True, bars={5: shares})


def cycles(result: dict) -> Figure:
    layers = result["layers"]
    names = [layer["name"] for layer in layers]
    busy = [layer["cycles"] - sum(layer["waits"].values()) for layer in layers]
    data = [bars(names, busy, "array busy", "compute", "%{x:,} cycles")]
    data += _lost(layers)
    predicted = [layer["predicted_cycles"] for layer in layers]
    data.append(
        {
            "type": "scatter",
            "mode": "markers",
            "name": "predicted",
            "y": names,
            "x": predicted,
            "marker": {
                "symbol": "line-ns-open",
                "size": 13,
                "color": color("ink"),
                "line": {"width": 2, "color": color("ink")},
            },
            "hovertemplate": "%{y}<br>predicted: %{x:,} cycles<extra></extra>",
        }
    )
    share = sum(busy) / result["cycles"]
    error = change(sum(predicted), result["cycles"])
    return Figure(
        "cycles",
        f"The array is busy in {percent(share)} of {count(result['cycles'])} cycles",
        "Measured cycles of each layer; the thin marks across are the compiler's prediction, "
        f"{error} in all. A mark beside its bar's end is a layer that the cost model misjudges.",
        data,
        rows_layout(names, "cycles"),
    )


def lost(result: dict) -> Figure:
    layers = result["layers"]
    names = [layer["name"] for layer in layers]
    waits = {name: sum(layer["waits"][name] for layer in layers) for name, _, _ in WAITS}
    total = sum(waits.values())
    if total:
        worst, words, _ = max(WAITS, key=lambda wait: waits[wait[0]])
        where = max(layers, key=lambda layer: layer["waits"][worst])
        share = percent(waits[worst] / total)
        title = f"Of {count(total)} idle cycles, {share}: {words}, most of them in {where['name']}"
    else:
        title = "The array is never idle"
    return Figure(
        "lost",
        title,
        "Cycles in which the array took no pixel, by what it waited for. Each cycle of a run is "
        "either busy or counted here once.",
        _lost(layers),
        rows_layout(names, "idle cycles"),
    )


def _lost(layers: list[dict]) -> list[dict]:
    names = [layer["name"] for layer in layers]
    return [
        bars(names, [layer["waits"][key] for layer in layers], words, tint, "%{x:,} cycles")
        for key, words, tint in WAITS
    ]


def traffic(result: dict) -> Figure:
    layers = result["layers"]
    names = [layer["name"] for layer in layers]
    read, written = (sum(layer[f"bytes_{way}"] for layer in layers) for way in ("read", "written"))
    return Figure(
        "traffic",
        f"{quantity(read, 'B')} read from memory and {quantity(written, 'B')} written",
        "Bytes over the memory port while each layer was computed: what it prefetches for the next "
        "layers counts with it.",
        [
            bars(names, [layer[f"bytes_{way}"] / 1e6 for layer in layers], way, tint, "%{x:.3f} MB")
            for way, tint in (("read", "load"), ("written", "store"))
        ],
        rows_layout(names, "MB"),
    )


def bandwidth(result: dict) -> tuple[float, str]:
    """The memory's bytes per cycle and words about it: where there is no limit, a word each way."""
    limit, word = result["memory"]["bytes_per_cycle"], result["config"]["rows"]
    if limit is None:
        return word, f"{word} B/cycle each way"
    return limit, f"{limit:g} B/cycle"


def _counted_bytes(result: dict, layer: dict) -> int:
    """Bytes of a layer that share `bandwidth`: all, or those of the busier way where each has its
    own."""
    ways = layer["bytes_read"], layer["bytes_written"]
    return max(ways) if result["memory"]["bytes_per_cycle"] is None else sum(ways)


def _intensity(result: dict, layer: dict) -> tuple[float, float] | None:
    """MACs per byte of a layer, and its MACs per cycle as a share of what memory and array would
    allow then; None for a layer without MACs or bytes."""
    moved = _counted_bytes(result, layer)
    if not (layer["macs"] and layer["cycles"] and moved):
        return None
    # A sum of layers takes the sum of their least cycles.
    least = sum(_least_cycles(result, part) for part in layer.get("parts", [layer]))
    return layer["macs"] / moved, least / layer["cycles"]


def _least_cycles(result: dict, layer: dict) -> float:
    """What the array takes for a layer's MACs, or the memory for its bytes."""
    speed, _ = bandwidth(result)
    return max(layer["macs"] / _peak(result, layer), _counted_bytes(result, layer) / speed)


def _peak(result: dict, layer: dict) -> int:
    """MACs per cycle that the array can do at most by the layer's method."""
    return result["macs_per_cycle"] * (SPEEDUP if layer["method"] == WINOGRAD else 1)


def _roof_cells(result: dict, layer: dict) -> tuple[str, str]:
    found = _intensity(result, layer)
    return (NOTHING, NOTHING) if found is None else (f"{found[0]:,.1f}", percent(found[1]))


def roofline(result: dict) -> Figure:
    """Every layer's MACs per byte and per cycle under the array's and the memory's limits."""
    limit = result["memory"]["bytes_per_cycle"]
    direct = result["macs_per_cycle"]
    tiled = direct * SPEEDUP
    peak = max([direct, *(_peak(result, layer) for layer in result["layers"])])
    speed, words = bandwidth(result)
    points = [
        (layer, found[0], layer["macs"] / layer["cycles"], found[1])
        for layer in result["layers"]
        if (found := _intensity(result, layer)) is not None
    ]
    ridge = peak / speed
    low = min([ridge, *(x for _, x, _, _ in points)]) / 2
    high = max([ridge, *(x for _, x, _, _ in points)]) * 2
    least = min([low * speed, *(y for _, _, y, _ in points)]) / 1.5
    data = [
        {
            "type": "scatter",
            "mode": "lines",
            "name": f"memory: {words}",
            "hoverinfo": "skip",
            "x": [low, ridge],
            "y": [low * speed, peak],
            "line": {"color": color("drain"), "width": 2},
        },
        *(
            {
                "type": "scatter",
                "mode": "lines",
                "name": f"array{by}: {roof} MAC/cycle",
                "hoverinfo": "skip",
                "x": [roof / speed, high],
                "y": [roof, roof],
                "line": {"color": color("ink"), "width": 2, "dash": dash},
            }
            for roof, by, dash in ((direct, "", "dash"), (tiled, " by Winograd's tiles", "dot"))
            if roof <= peak
        ),
        {
            "type": "scatter",
            "mode": "markers",
            "name": "layers",
            "x": [x for _, x, _, _ in points],
            "y": [y for _, _, y, _ in points],
            "text": [layer["name"] for layer, *_ in points],
            "customdata": [share for *_, share in points],
            "marker": {
                "size": 10,
                "color": color("compute"),
                "opacity": 0.75,
                "line": {"width": 1, "color": color("paper")},
            },
            "hovertemplate": "%{text}<br>%{x:.1f} MAC/byte<br>%{y:.1f} MAC/cycle<br>"
            "%{customdata:.1%} of its roof<extra></extra>",
        },
    ]
    near = sum(share >= 0.95 for *_, share in points)
    bound = sum(x < _peak(result, layer) / speed for layer, x, _, _ in points)
    who = "One layer lies" if bound == 1 else f"{bound or 'No'} layers lie"
    return Figure(
        "roofline",
        f"{near} of {len(points)} layers with MACs run within 5 % of their roof",
        f"Work per byte moved against work per cycle, both logarithmic. {who} left of the ridge of "
        f"its method ({ridge:.3g} MAC/byte for the highest), where memory is the limit. A point "
        "far below the lines loses its cycles elsewhere. The table of the layers has the same as "
        "numbers. Bytes are those that moved while the layer was computed, what is prefetched for "
        "the next ones included"
        + (", reads or writes, whichever are more." if limit is None else ", reads and writes."),
        data,
        {
            "height": 420,
            "hovermode": "closest",
            "xaxis": {
                "type": "log",
                "dtick": "D2",
                "title": {"text": "MAC/byte"},
                "range": [math.log10(low), math.log10(high)],
            },
            "yaxis": {
                "type": "log",
                "dtick": "D2",
                "title": {"text": "MAC/cycle"},
                "range": [math.log10(least), math.log10(peak * 2)],
            },
            "showlegend": False,
        },
    )


TRACK_PIXELS = 74


def timeline(result: dict) -> Figure | None:
    """The engines' activity over a program's run; None where it was not recorded."""
    recorded = result["timeline"]
    if recorded is None:
        return None
    window, length, ends = recorded["window"], recorded["cycles"], recorded["layer_ends"]
    starts = [0, *ends[:-1]]
    spans = [min(window, length - i * window) for i in range(-(-length // window))]
    names = [layer["name"] for layer in result["layers"]]
    at = []  # the layer that each window's first cycle belongs to
    layer = 0
    for i in range(len(spans)):
        while layer < len(ends) - 1 and i * window >= ends[layer]:
            layer += 1
        at.append(names[layer])

    def share(event: str) -> list[float]:
        values = [round(c / s, 3) for c, s in zip(recorded["counts"][event], spans, strict=True)]
        return [*values, values[-1]]  # the step of the last window

    tracks = [*ENGINES[1:], "fetch"]  # instructions last: hardly anything to see
    rows = len(tracks) + 1
    layout: dict[str, Any] = {
        "height": TRACK_PIXELS * rows + 70,
        "hovermode": "x",
        "showlegend": False,
        "margin": {"l": 44, "r": 8, "t": 20},
        "xaxis": {
            "title": {"text": f"cycle (windows of {count(window)})"},
            "range": [0, length],
            "minallowed": 0,
            "maxallowed": length,
            "fixedrange": False,
            "domain": [0, 1],
            "anchor": f"y{rows}" if rows > 1 else "y",
        },
        "shapes": [
            {
                "type": "line",
                "xref": "x",
                "yref": "paper",
                "x0": end,
                "x1": end,
                "y0": 0,
                "y1": 1,
                "line": {"width": 1, "color": color("rule")},
                "layer": "below",
            }
            for end in ends[:-1]
        ],
        "annotations": [],
    }
    data = []

    def add(row: int, event: str, words: str, tint: str, **more) -> None:
        data.append(
            {
                "type": "scatter",
                "mode": "lines",
                "name": words,
                "x0": 0,
                "dx": window,
                "y": share(event),
                "xaxis": "x",
                "yaxis": f"y{row + 1}" if row else "y",
                "line": {"shape": "hv", "width": 0.8, "color": color(tint)},
                "fill": "tozeroy",
                "fillcolor": color(tint),
                "text": [*at, at[-1]],
                "hovertemplate": f"{words} %{{y:.0%}}, %{{text}}<extra></extra>",
            }
            | more
        )

    for row, engine in enumerate(tracks):
        add(row, engine, ENGINE_WORDS[engine], engine, showlegend=False)
    for key, words, tint in WAITS:
        add(rows - 1, key.lower(), words, tint, stackgroup="waits", fill="tonexty")
    for row, label in enumerate([*(ENGINE_WORDS[engine] for engine in tracks), "array idle"]):
        top, bottom = 1 - row / rows, 1 - (row + 0.7) / rows
        layout[f"yaxis{row + 1 if row else ''}"] = {
            "domain": [max(0, bottom), top],
            "range": [0, 1.02],
            "tickvals": [0, 1],
            "ticktext": ["0", "100 %"],
            "anchor": "x",
            "fixedrange": True,
            "zeroline": False,
            "tickfont": {"size": 9},
        }
        layout["annotations"].append(
            {
                "xref": "paper",
                "yref": "paper",
                "x": 0,
                "y": top,
                "text": label,
                "showarrow": False,
                "xanchor": "left",
                "yanchor": "bottom",
                "font": {"size": 11.5},
            }
        )
    working = {e: percent(sum(recorded["counts"][e]) / length) for e in ENGINES}
    return Figure(
        "timeline",
        f"Over {count(length)} cycles the array worked {working['compute']}, the drain "
        f"{working['drain']}, the weight stream {working['weights']}",
        "Recorded in the RTL. Readers and store: share of cycles in which a word came or went; "
        "compute and drain: share of cycles at work; at the bottom, why the array was idle. Thin "
        "lines are the ends of layers. Choose a layer to see it closer, use the buttons, or drag "
        "over a stretch with the mouse; a double-click shows all of it again.",
        data,
        layout,
        menu=("the whole run", *names),
        menu_label="Show",
        zoom=((0, length), *(_margin(a, b, length) for a, b in zip(starts, ends, strict=True))),
    )


def _margin(start: int, end: int, length: int) -> tuple[float, float]:
    """The stretch with a tenth of it on both sides."""
    extra = (end - start) / 10
    return max(0, start - extra), min(length, end + extra)
