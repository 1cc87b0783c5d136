"""What ``resarray inspect`` found: tables, rooflines, a page; and read back for the report."""

from pathlib import Path

from resarray.spec.errors import ResarrayError
from resarray.spec.schema import SchemaError, check

from .figure import Figure
from .performance import roofline
from .read import model_name, read_json
from .schema import INSPECTION, INSPECTION_FORMAT
from .svg import svg
from .template import read, template
from .text import NOTHING, Table, count, decimal, percent, quantity, shape

AGAIN = "make it with 'resarray inspect --json'"


def read_inspection(path: Path, result: dict) -> dict:
    """What ``resarray inspect --json`` wrote to ``path`` about the network of ``result``.

    `ResarrayError` for a file that cannot be read, is of another kind or format, holds impossible
    fields or is of another network or input size.
    """
    found = read_json(path, "inspection", AGAIN)
    if found.get("format") != INSPECTION_FORMAT:
        raise ResarrayError(
            f"inspection '{path}' has format {found.get('format')!r}, this resarray reads "
            f"{INSPECTION_FORMAT}; {AGAIN}"
        )
    try:
        check(found, INSPECTION)
    except SchemaError as error:
        raise ResarrayError(f"inspection '{path}' {error}; {AGAIN}") from error
    channels = found["input_shape"][0]  # a result does not say how many
    network, ran = (
        title(found),
        f"{model_name(result)} at {shape([channels, *result['input_size']])}",
    )
    if network != ran:
        raise ResarrayError(
            f"inspection '{path}' is of {network}, the result of {ran}: give that of the network "
            "that ran"
        )
    return found


def operator_table(operators: list[dict]) -> Table:
    """Every operator as the front end reads it, and their sum."""
    rows = [
        [
            op["name"],
            short(op["operator"]),
            NOTHING if op["shape"] is None else shape(op["shape"]),
            count(op["macs"]),
            count(op["parameters"]),
            quantity(op["weight_bytes"], "B"),
            NOTHING if op["receptive_field"] is None else shape(op["receptive_field"]),
            "yes" if op["refusal"] is None else "no",
        ]
        for op in operators
    ]
    sums = [sum(op[key] for op in operators) for key in ("macs", "parameters", "weight_bytes")]
    total = ["total", "", "", count(sums[0]), count(sums[1]), quantity(sums[2], "B"), "", ""]
    headings = ["layer", "operator", "output", "MACs", "parameters", "weights", "receptive field"]
    return Table([*headings, "runs"], [*rows, total], left=(0, 1, 7), total=True)


def short(operator: str) -> str:
    """An operator's name without its library and overload."""
    return operator.removeprefix("aten.").removesuffix(".default").removesuffix(".Tensor")


def preset_table(found: dict, reasons: bool = True) -> Table:
    """Cycles and images a second of each preset, or with ``reasons`` why it cannot."""
    rows = []
    for each in found["presets"]:
        clock = f"{each['clock_hz'] / 1e6:g} MHz ({each['clock_of']})"
        if each["error"] is None:
            rows.append(
                [
                    each["preset"],
                    count(each["cycles"]),
                    clock,
                    decimal(each["images_per_second"], 2),
                    percent(each["utilisation"]),
                    quantity(each["memory_bytes"], "B"),
                    "",
                ]
            )
        else:
            rows.append([each["preset"], NOTHING, clock, *[NOTHING] * 3, each["error"]])
    headings = ["preset", "cycles", "clock", "images/s", "utilisation", "memory", "cannot"]
    if not reasons or all(each["error"] is None for each in found["presets"]):
        headings, rows = headings[:-1], [row[:-1] for row in rows]
    return Table(headings, rows, left=(0, 2, 6))


def verdict(found: dict) -> str:
    """One sentence: whether all operators can run."""
    total, wrong = len(found["operators"]), len(found["reasons"])
    if not wrong:
        return f"All {total} operators can run." if total > 1 else "Its operator can run."
    # Whose result is no map or vector; the answer of the network as a whole has no operator.
    ends = [op["name"] for op in found["operators"] if op["shape"] is None and op["operator"]]
    if ends:
        operators = "operator" if wrong == 1 else "operators"
        return (
            f"{wrong} {operators} cannot run; reading ended at '{ends[0]}', so behind it only such "
            "are shown."
        )
    return f"{wrong} of {total} operators cannot run."


def memory(found: dict) -> str:
    """The memory that the predictions are for, in words."""
    limit = found["memory"]["bytes_per_cycle"]
    words = "one word each way a cycle" if limit is None else f"{limit:g} B/cycle"
    return f"{words}, latency {found['memory']['latency']} cycles"


def predicted_roofline(
    config: dict, layers: list[dict], macs_per_cycle: int, bytes_per_cycle: float | None
) -> Figure:
    """The roofline of a program's layers with the cycles that the compiler predicts."""
    return roofline(
        {
            "config": config,
            "macs_per_cycle": macs_per_cycle,
            "memory": {"bytes_per_cycle": bytes_per_cycle},
            "layers": [layer | {"cycles": layer["predicted_cycles"]} for layer in layers],
        }
    )


def rooflines(found: dict) -> list[tuple[str, Figure]]:
    """The roofline of each preset that the network can be compiled for."""
    return [
        (
            each["preset"],
            predicted_roofline(
                each["config"],
                each["layers"],
                each["config"]["rows"] * each["config"]["columns"],
                found["memory"]["bytes_per_cycle"],
            ),
        )
        for each in found["presets"]
        if each["error"] is None
    ]


def title(found: dict) -> str:
    """Of the page."""
    return f"{found['model']} at {shape(found['input_shape'])}"


def sections(found: dict) -> dict[str, object]:
    """What the sections of an inspection show, for their template."""
    return {
        "found": found,
        "memory": memory(found),
        "operators": operator_table(found["operators"]),
        "presets": preset_table(found),
    }


def page(found: dict, version: str, command: str) -> str:
    """HTML of one inspection, with everything in it; ``version`` of resarray."""
    facts = [
        (count(found["macs"]), "", "MACs for one image"),
        (count(found["parameters"]), "", "parameters"),
        (quantity(found["weight_bytes"], "B"), "", "weights as int8"),
        (str(len(found["operators"])), "", "operators"),
    ]
    return template("inspection.html.j2").render(
        title=title(found),
        **sections(found),
        version=version,
        command=command,
        verdict=verdict(found),
        facts=facts,
        rooflines=[(name, figure, svg(figure)) for name, figure in rooflines(found)],
        style=read("report.css"),
    )
