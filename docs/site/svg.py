"""A little SVG: shapes with the documentation's colours, boxes with arrows between them."""

from collections.abc import Sequence
from xml.sax.saxutils import escape

INK, FAINT, PAPER = "#263238", "#90a4ae", "#ffffff"
BLUE, GREEN, ORANGE, GREY, RED = "#bbdefb", "#c8e6c9", "#ffe0b2", "#eceff1", "#ef9a9a"
# A box is this large, and stands on a grid of this pitch.
BOX = (150, 46)
PITCH = (205, 84)


class Drawing:
    """Shapes on a white sheet of ``width`` x ``height``; `text` is the file."""

    def __init__(self, width: float, height: float, title: str):
        self.size = (width, height)
        self.title = title
        self.parts: list[str] = []

    def rect(
        self, x: float, y: float, width: float, height: float, fill: str = GREY, ink: str = INK
    ) -> None:
        self.parts.append(
            f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="3" '
            f'fill="{fill}" stroke="{ink}"/>'
        )

    def text(
        self,
        x: float,
        y: float,
        text: str,
        size: int = 13,
        anchor: str = "middle",
        bold: bool = False,
        fill: str = INK,
    ) -> None:
        """``y`` is the middle of the line."""
        weight = ' font-weight="bold"' if bold else ""
        self.parts.append(
            f'<text x="{x:g}" y="{y + 0.35 * size:g}" font-size="{size}" text-anchor="{anchor}" '
            f'fill="{fill}"{weight}>{escape(text)}</text>'
        )

    def line(
        self, points: Sequence[tuple[float, float]], arrow: bool = True, dashed: bool = False
    ) -> None:
        path = " ".join(f"{x:g},{y:g}" for x, y in points)
        end = ' marker-end="url(#arrow)"' if arrow else ""
        dash = ' stroke-dasharray="4 3"' if dashed else ""
        self.parts.append(f'<polyline points="{path}" fill="none" stroke="{INK}"{end}{dash}/>')

    def svg(self) -> str:
        width, height = self.size
        lines = [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" '
            f'width="{width:g}" height="{height:g}" font-family="sans-serif">',
            f"<title>{escape(self.title)}</title>",
            '<defs><marker id="arrow" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" '
            f'markerHeight="7" orient="auto"><path d="M0,0 L8,4 L0,8 z" fill="{INK}"/></marker>'
            "</defs>",
            f'<rect width="{width:g}" height="{height:g}" fill="{PAPER}"/>',
            *self.parts,
            "</svg>",
        ]
        return "\n".join(lines) + "\n"


class Flow(Drawing):
    """Boxes on a grid of columns and rows, and arrows from side to side."""

    def __init__(self, columns: float, rows: float, title: str):
        super().__init__(columns * PITCH[0] - 35, rows * PITCH[1] - 18, title)
        self.middles: dict[str, tuple[float, float]] = {}

    def box(self, name: str, column: float, row: float, lines: str, fill: str = BLUE) -> None:
        """A box called ``name`` with ``lines`` of text, separated by newlines."""
        x, y = 10 + column * PITCH[0], 10 + row * PITCH[1]
        self.middles[name] = x + BOX[0] / 2, y + BOX[1] / 2
        self.rect(x, y, *BOX, fill)
        texts = lines.split("\n")
        for i, text in enumerate(texts):
            self.text(
                x + BOX[0] / 2,
                y + BOX[1] / 2 + 16 * (i - (len(texts) - 1) / 2),
                text,
                size=13 if i == 0 else 11,
                bold=i == 0,
            )

    def arrow(self, start: str, stop: str, label: str = "") -> None:
        """Straight where the boxes are in line, else down or up to the row and then across."""
        (x0, y0), (x1, y1) = self.middles[start], self.middles[stop]
        half_x, half_y = BOX[0] / 2, BOX[1] / 2
        if y0 == y1:
            side = 1 if x1 > x0 else -1
            points = [(x0 + side * half_x, y0), (x1 - side * half_x, y1)]
            where, anchor = ((points[0][0] + points[1][0]) / 2, y0 - 9), "middle"
        else:
            side = 1 if y1 > y0 else -1
            if x0 == x1:
                points = [(x0, y0 + side * half_y), (x1, y1 - side * half_y)]
            else:
                across = 1 if x1 > x0 else -1
                points = [(x0, y0 + side * half_y), (x0, y1), (x1 - across * half_x, y1)]
            where, anchor = (x0 + 5, y0 + side * (half_y + 17)), "start"
        self.line(points)
        if label:
            self.text(*where, label, size=11, anchor=anchor)
