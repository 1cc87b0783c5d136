"""The page: one HTML file with everything in it."""

import json

from plotly.offline import get_plotlyjs

from . import comparison, inspection, numbers, performance, synthesis
from .figure import Figure
from .markdown import facts, title
from .performance import bandwidth
from .synthesis import Synthesis
from .template import read, template
from .text import Table

MAP_FIELDS = ("name", "layer", "shape", "zero_point", "scale", "mismatches", "maps")


def page(results: list[dict], found: Synthesis | None, inspected: dict | None = None) -> str:
    """HTML of the first of ``results``, compared with the others, with synthesis figures and what
    ``resarray inspect`` found, where they are given."""
    result = results[0]
    figures = [
        performance.cycles(result),
        performance.lost(result),
        performance.traffic(result),
        performance.roofline(result),
        performance.timeline(result),
        numbers.sqnr(result),
        numbers.histogram(result),
    ]
    tables: dict[str, Table | None] = {
        "layers": performance.layer_table(result),
        "numbers": numbers.number_table(result),
        "mismatches": numbers.mismatch_table(result),
    }
    if found is not None:
        figures += [synthesis.units(found), synthesis.critical_path(found)]
        tables |= {
            "synthesis": synthesis.summary_table(found, result),
            "resources": synthesis.resource_table(found),
            "units": synthesis.unit_table(found),
        }
    if len(results) > 1:
        figures.append(comparison.cycles(results))
        tables |= {
            "totals": comparison.totals_table(results),
            "settings": comparison.settings_table(results),
            "changes": comparison.cycles_table(results),
        }
    # Without classes the pictures alone.
    predictions = result["predictions"] or [{"image": p["image"]} for p in result["pictures"]]
    shown = {figure.name: figure for figure in figures if figure is not None}
    return template("report.html.j2").render(
        title=title(result),
        result=result,
        verdict=numbers.verdict(result),
        facts=facts(result, found),
        agreement="; ".join(numbers.outputs(result)),
        predictions=predictions,
        classes=lambda number: numbers.class_name(result, number),
        pictures={picture["image"]: picture["png"] for picture in result["pictures"]},
        memory=bandwidth(result)[1],
        found=found,
        inspection=None if inspected is None else inspection.sections(inspected),
        compared=len(results) > 1,
        figures=shown,
        tables=tables,
        data=_embed(_data(result, shown)),
        plotly=get_plotlyjs(),
        style=read("report.css"),
        script=read("report.js"),
    )


def _data(result: dict, figures: dict[str, Figure]) -> dict:
    """What the page's script reads."""
    return {
        "figures": {name: figure.spec for name, figure in figures.items()},
        "maps": [{key: tensor[key] for key in MAP_FIELDS} for tensor in result["tensors"]],
    }


def _embed(data: dict) -> str:
    """JSON that cannot end the script element that it stands in."""
    return json.dumps(data, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")
