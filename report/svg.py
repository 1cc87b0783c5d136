"""A roofline as a picture that needs no script."""

import math

from .figure import Figure
from .template import template

WIDTH, HEIGHT = 640, 360
LEFT, RIGHT, TOP, BOTTOM = 56, WIDTH - 12, 12, HEIGHT - 42  # of the plot's frame


def svg(figure: Figure) -> str:
    """``figure``, whose axes are logarithmic and whose traces are lines and markers, as an element
    of HTML; colours are variables of the style around it."""
    axes = figure.layout["xaxis"], figure.layout["yaxis"]
    x_range, y_range = (axis["range"] for axis in axes)

    def x_of(value: float) -> float:
        return round(LEFT + _share(value, x_range) * (RIGHT - LEFT), 1)

    def y_of(value: float) -> float:
        return round(BOTTOM - _share(value, y_range) * (BOTTOM - TOP), 1)

    def placed(trace: dict) -> list[tuple[float, float]]:
        return [(x_of(x), y_of(y)) for x, y in zip(trace["x"], trace["y"], strict=True)]

    return template("roofline.svg.j2").render(
        width=WIDTH,
        height=HEIGHT,
        frame={"left": LEFT, "right": RIGHT, "top": TOP, "bottom": BOTTOM},
        title=figure.title,
        axes=[axis["title"]["text"] for axis in axes],
        columns=[(x_of(value), f"{value:g}") for value in _ticks(*x_range)],
        rows=[(y_of(value), f"{value:g}") for value in _ticks(*y_range)],
        lines=[
            (*placed(trace), trace["line"]["color"], trace["name"])
            for trace in figure.data
            if trace["mode"] == "lines"
        ],
        points=[
            (place, trace["marker"]["color"], name)
            for trace in figure.data
            if trace["mode"] == "markers"
            for place, name in zip(placed(trace), trace["text"], strict=True)
        ],
    )


def _share(value: float, ends: tuple[float, float]) -> float:
    low, high = ends
    return (math.log10(value) - low) / (high - low)


def _ticks(low: float, high: float) -> list[float]:
    """1, 2 and 5 of each decade where few decades are shown, else 1."""
    steps = (1, 2, 5) if high - low < 3 else (1,)
    decades = range(math.floor(low), math.ceil(high) + 1)
    values = [step * 10.0**decade for decade in decades for step in steps]
    return [value for value in values if low <= math.log10(value) <= high]
