"""Numbers and tables as text, for the page and for Markdown alike."""

from dataclasses import dataclass, field

NOTHING = "–"
GAP = "\u00a0"  # between a number and its unit: no line ends there


def count(value: float) -> str:
    """A whole number with thousands separated."""
    return f"{value:,.0f}"


def percent(ratio: float, digits: int = 1) -> str:
    return f"{100 * ratio:.{digits}f}{GAP}%"


def change(new: float, old: float) -> str:
    """Relative difference of ``new`` to ``old`` with its sign."""
    if not old:
        return NOTHING
    text = f"{100 * (new / old - 1):+.2f}{GAP}%"
    return text.lstrip("+-") if float(text[:-2]) == 0 else text.replace("-", "−")


def decimal(value: float | None, digits: int = 1) -> str:
    return NOTHING if value is None else f"{value:,.{digits}f}"


def shape(sides: list[int]) -> str:
    return "×".join(map(str, sides))


def quantity(value: float, unit: str) -> str:
    """Three digits with a decimal prefix: ``11.2 MB``."""
    for prefix, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if value >= size:
            scaled = value / size
            return f"{scaled:.{2 if scaled < 10 else 1 if scaled < 100 else 0}f}{GAP}{prefix}{unit}"
    return f"{value:.0f}{GAP}{unit}"


@dataclass(frozen=True)
class Table:
    """Headings and rows of text.

    left:  columns that are text, not numbers; where all are, long ones may be broken
    total: whether the last row sums up the others
    bars:  column -> share from 0 to 1 of each row, drawn behind its number
    """

    headings: list[str]
    rows: list[list[str]]
    left: tuple[int, ...] = (0,)
    total: bool = False
    bars: dict[int, list[float]] = field(default_factory=dict)

    @property
    def prose(self) -> bool:
        return len(self.left) == len(self.headings)

    def markdown(self) -> str:
        """The table in Markdown."""
        rules = ["---" if i in self.left else "--:" for i in range(len(self.headings))]
        rows = [[cell.replace("|", "\\|") for cell in row] for row in self.rows]
        if self.total:
            rows[-1] = [f"**{cell}**" if cell else "" for cell in rows[-1]]
        return "\n".join("| " + " | ".join(r) + " |" for r in (self.headings, rules, *rows)) + "\n"
