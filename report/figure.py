"""A plot with its words. Colours are names of the page's style sheet, so that themes share a plot."""

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
    def spec(self) -> dict:
        """What the page's script needs."""
        return {"data": self.data, "layout": self.layout, "show": self.show, "zoom": self.zoom}


def color(name: str) -> str:
    return f"var(--{name})"


def bars(names: list[str], values: list[float], series: str, tint: str, hover: str, **more) -> dict:
    """Horizontal bars, one for each name; ``hover``: Plotly's template of the value."""
    return {
        "type": "bar", "orientation": "h", "name": series, "y": names, "x": values,
        "marker": {"color": color(tint)}, "hovertemplate": f"%{{y}}<br>{series}: {hover}"
        "<extra></extra>",
    } | more  # fmt: skip


def rows_layout(names: list[str], axis: str, **more) -> dict:
    """Layout of horizontal bars: the first name on top, ``axis`` the title of the values."""
    return {
        "height": 120 + ROW_PIXELS * len(names), "barmode": "stack", "bargap": 0.3,
        "xaxis": {"title": {"text": axis}, "rangemode": "tozero"},
        "yaxis": {"autorange": "reversed", "type": "category", "showgrid": False},
        "legend": {"orientation": "h", "y": 1, "yanchor": "bottom", "x": 0, "xanchor": "left"},
        "hovermode": "closest",
    } | more  # fmt: skip
