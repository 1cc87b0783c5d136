"""Training curves: one HTML file with everything in it."""

import html
import json

from plotly.offline import get_plotlyjs

_PAGE = """<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>body {{ font-family: system-ui, sans-serif; margin: 2rem auto; max-width: 60rem; }}</style>
<h1>{title}</h1>
<div id="curves"></div>
<script>{plotly}</script>
<script>
Plotly.newPlot("curves", {data}, {layout}, {{responsive: true, displaylogo: false}});
</script>
</html>
"""
_SERIES = (
    ("train_loss", "loss, training", "y", "#7d8a9a"),
    ("loss", "loss, held out", "y", "#0b66a8"),
    ("train_top1", "top-1, training", "y2", "#d9a066"),
    ("top1", "top-1, held out", "y2", "#c8500a"),
)


def page(name: str, epochs: list[dict]) -> str:
    """HTML of the rows of `golden.training.Epoch` of the network ``name``."""
    numbers = [row["epoch"] for row in epochs]
    data = [
        {
            "x": numbers,
            "y": [row[field] for row in epochs],
            "yaxis": axis,
            "name": label,
            "mode": "lines+markers",
            "line": {"color": tint},
        }
        for field, label, axis, tint in _SERIES
    ]
    layout = {
        "xaxis": {"title": {"text": "epoch"}, "dtick": max(1, len(epochs) // 10)},
        "yaxis": {"title": {"text": "loss"}, "rangemode": "tozero", "domain": [0, 0.46]},
        "yaxis2": {"title": {"text": "top-1"}, "tickformat": ".0%", "domain": [0.54, 1]},
        "height": 640,
        "hovermode": "x unified",
        "legend": {"orientation": "h"},
    }
    return _PAGE.format(
        title=html.escape(f"Training of {name}"),
        plotly=get_plotlyjs(),
        data=_embedded(data),
        layout=_embedded(layout),
    )


def _embedded(value: object) -> str:
    """JSON that cannot end the script element that it stands in."""
    return json.dumps(value, allow_nan=False).replace("<", "\\u003c")
