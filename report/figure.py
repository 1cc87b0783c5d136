"""A plot with its words. Colours are names of the page's style sheet: both themes share a plot."""

from collections.abc import Sequence
from dataclasses import dataclass

ROW_PIXELS = 20  # of a bar with its layer's name


@dataclass(frozen=True)
class Figure:
    """A plot.

    name:    identifier in the page
    title:   what is to be seen in it
    caption: how to read it
    data, layout: as Plotly takes them; "var(--NAME)" stands for a colour of the style sheet
    menu:    choices of a menu above the plot; ``show``: for each the traces that are then visible,
             or ``zoom``: the range of the first axis
    """

    name: str
    title: str
    caption: str
    data: list[dict]
    layout: dict
    menu: tuple[str, ...] = ()
    menu_label: str = ""
    show: tuple[tuple[int, ...], ...] = ()
    zoom: tuple[tuple[float, float], ...] = ()

    @property
    def legend(self) -> list[tuple[str, str]]:
        """Names and colours of the series, where there are several to tell apart."""
        if self.show:
            return []
        named = [
            (trace["name"], trace.get("line") or trace["marker"])
            for trace in self.data
            if trace.get("showlegend", True)
        ]
        return [(name, style["color"]) for name, style in named] if len(named) > 1 else []

    @property
    def spec(self) -> dict:
        """What the page's script needs."""
        return {"data": self.data, "layout": self.layout, "show": self.show, "zoom": self.zoom}


def color(name: str) -> str:
    return f"var(--{name})"


def bars(
    names: list[str], values: Sequence[float | None], series: str, tint: str, hover: str, **more
) -> dict:
    """Horizontal bars, one for each name, or none where its value is None; ``hover``: Plotly's
    template of the value."""
    return {
        "type": "bar",
        "orientation": "h",
        "name": series,
        "y": names,
        "x": values,
        "marker": {"color": color(tint)},
        "hovertemplate": f"%{{y}}<br>{series}: {hover}<extra></extra>",
    } | more


def rows_layout(names: list[str], axis: str, **more) -> dict:
    """Layout of horizontal bars: the first name on top, ``axis`` the title of the values."""
    return {
        "height": 68 + ROW_PIXELS * len(names),
        "barmode": "stack",
        "bargap": 0.3,
        "xaxis": {"title": {"text": axis}, "rangemode": "tozero"},
        "yaxis": {
            "range": [len(names) - 0.5, -0.5],
            "type": "category",
            "showgrid": False,
            "ticks": "outside",
            "ticklen": 5,
            "tickcolor": "rgba(0,0,0,0)",
            "dtick": 1,
        },
        "showlegend": False,
        "hovermode": "closest",
    } | more
