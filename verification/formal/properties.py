"""What a property is, and which there are."""

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass

from amaranth.lib.wiring import Component

from resarray.spec.errors import ResarrayError

from . import specs

# Z3, asked anew for each cycle, sees that two multiplications of the same operands are one; Yices,
# which is faster, multiplies bit by bit.
SOLVERS = {"yices": ["-s", "yices"], "z3": ["-s", "z3", "--noincr"]}


@dataclass(frozen=True)
class Reachable:
    """For all time, by property directed reachability (PDR, also called IC3, in ABC): it finds the
    invariants of the induction by itself. Good at control, bad at arithmetic."""

    unbounded = True

    def __str__(self) -> str:
        return "PDR"


@dataclass(frozen=True)
class Induction:
    """For all time, by k-induction with an SMT solver: it holds in the first ``depth`` cycles, and
    after any ``depth`` cycles in which it held it does in the next. A twin must fail within the
    first ``twin_depth`` cycles. ``solver``: of `SOLVERS`."""

    depth: int
    twin_depth: int = 20
    solver: str = "yices"
    unbounded = True

    def __str__(self) -> str:
        return f"{self.depth}-induction"


@dataclass(frozen=True)
class Bounded:
    """In the first ``depth`` cycles, with an SMT solver of `SOLVERS`; ``why`` that is enough, a
    sentence."""

    depth: int
    why: str
    solver: str = "yices"
    unbounded = False

    def __str__(self) -> str:
        return f"{self.depth} cycles"


@dataclass(frozen=True)
class Calculation:
    """For all numbers, by calculating every case: `Property.build` says whether it holds. For what
    is no matter of hardware (`lemmas`)."""

    unbounded = True

    def __str__(self) -> str:
        return "exhaustive"


Method = Reachable | Induction | Bounded | Calculation


@dataclass(frozen=True)
class Edit:
    """A broken twin: the unit with an edit of its source.

    says:   what is broken, a few words
    module: of `resarray`, as "hw.memory"
    old:    text that must be there exactly once; ``new`` stands for it
    """

    says: str
    module: str
    old: str
    new: str


@dataclass(frozen=True)
class Variant:
    """A broken twin: another component. ``says`` what is broken in it."""

    says: str
    build: Callable[[], Component | bool]


@dataclass(frozen=True)
class Property:
    """One property of one unit.

    name:   as on the command line; "unit-what"
    unit:   the class of the hardware under test, as "memory.Fifo"
    says:   what is proven, a sentence
    build:  makes the component that holds the unit, its ``Assume``s and its ``Assert``s
            (`harness.Harness`). Its input ports are free in every cycle, its reset too
    method: how it is proven
    twins:  for each of these it must fail; at least one
    quick:  it is part of ``make test``
    """

    name: str
    unit: str
    says: str
    build: Callable[[], Component | bool]
    method: Method
    twins: tuple[Edit | Variant, ...]
    quick: bool = False

    def __post_init__(self):
        if not self.twins:
            raise ValueError(f"property '{self.name}' has no broken twin")


def all_properties() -> dict[str, Property]:
    """Every property by its name: ``PROPERTIES`` of each module of `specs`."""
    found: dict[str, Property] = {}
    for info in pkgutil.iter_modules(specs.__path__):
        for prop in importlib.import_module(f"{specs.__name__}.{info.name}").PROPERTIES:
            if prop.name in found:
                raise ValueError(f"two properties are called '{prop.name}'")
            found[prop.name] = prop
    return found


def choose(names: list[str], quick: bool = False) -> list[Property]:
    """The properties called ``names``, or all; with ``quick`` only the quick ones of them.

    `ResarrayError` for a name that there is not.
    """
    known = all_properties()
    for name in names:
        if name not in known:
            raise ResarrayError(
                f"no property is called '{name}': choose from {', '.join(known)} (--list)"
            )
    chosen = [known[name] for name in dict.fromkeys(names)] if names else list(known.values())
    return [prop for prop in chosen if prop.quick or not quick]
