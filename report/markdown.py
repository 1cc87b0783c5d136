"""The summary in Markdown, short enough for a pull request."""

from . import comparison, numbers, performance, synthesis
from .read import model_name
from .synthesis import Synthesis
from .text import count, percent


def title(result: dict) -> str:
    """What ran: the model without the folder that it lies in, its input, the configuration."""
    height, width = result["input_size"]
    return f"{model_name(result)} at {height}×{width}, preset {result['preset']}"


def facts(result: dict, found: Synthesis | None) -> list[tuple[str, str, str]]:
    """The figures at a glance: value, unit, what it is."""
    per_image, values = result["cycles"] / result["images"], count(result["values_compared"])
    shown = [
        (count(per_image), "cycles", "per image, start to interrupt"),
        (percent(result["utilization"]), "", "of the array's peak used"),
        (f"{result['macs_per_multiplier_cycle']:.3f}", "MACs", "per multiplier and cycle"),
        (count(result["mismatches"]), "mismatches", f"in {values} values"),
    ]
    if found is not None:
        projected = synthesis.images_per_second(found, result)
        shown.append((f"{projected:.1f}", "images/s", f"projected at {found.mhz:.1f} MHz"))
    return shown


def markdown(results: list[dict], found: Synthesis | None) -> str:
    """The page's figures without its plots."""
    result = results[0]
    mark = "✅" if result["bit_exact"] else "❌"
    lines = [f"## {title(result)}", "", f"{mark} {numbers.verdict(result)}", ""]
    lines += [
        " ".join(filter(None, (f"- **{value}**", unit, what)))
        for value, unit, what in facts(result, found)
    ]
    worst = [t["error"]["sqnr_db"] for t in result["tensors"] if t["error"]["sqnr_db"] is not None]
    if worst:
        lines.append(f"- **{numbers.at_least(min(worst))} dB** least SQNR of int8 against float")
    lines += [*(f"- {sentence}" for sentence in numbers.outputs(result)), ""]
    if not result["bit_exact"]:
        lines += [numbers.mismatch_table(result).markdown()]
    if len(results) > 1:
        lines += ["### Comparison", "", comparison.totals_table(results).markdown()]
        lines += [comparison.settings_table(results).markdown()]
        lines += [_folded("Cycles layer by layer", comparison.cycles_table(results).markdown())]
    if found is not None:
        lines += [f"### Synthesis for {found.target}", ""]
        lines += [synthesis.resource_table(found).markdown()]
        lines += [synthesis.summary_table(found, result).markdown()]
    lines += [_folded("Layers", performance.layer_table(result).markdown())]
    lines += [_folded("Error of int8 against float", numbers.number_table(result).markdown())]
    made = result["provenance"]
    versions = ", ".join(f"{name} {version}" for name, version in made["versions"].items())
    lines += [
        f"`{made['command']}`, {made['date']}, configuration {result['config_hash']}; {versions}",
        "",
    ]
    return "\n".join(lines)


def _folded(words: str, table: str) -> str:
    return f"<details><summary>{words}</summary>\n\n{table}\n</details>\n"
