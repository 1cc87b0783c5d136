"""The result file: its version, the digest that guards it, what follows from its other fields."""

import hashlib
import json

# Raise it when a field changes its meaning or goes. 1: input_size was one number, of a square.
# 2: the last tensor was the one output, with classes. 3: layers had no method, all were direct.
FORMAT = 4


def content_digest(result: dict) -> str:
    """SHA-256 of everything in ``result`` but its own ``digest``, independent of layout."""
    content = {key: value for key, value in result.items() if key != "digest"}
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def to_json(result: dict) -> bytes:
    """The file that ``--json`` writes: JSON, a line for each field and for each row of a list."""
    lines = []
    for key, value in (result | {"digest": content_digest(result)}).items():
        rows = value if isinstance(value, list) and value and isinstance(value[0], dict) else None
        if rows is None:
            text = json.dumps(value, allow_nan=False)
        else:
            text = "[\n" + ",\n".join(f"    {json.dumps(r, allow_nan=False)}" for r in rows)
            text += "\n  ]"
        lines.append(f"  {json.dumps(key)}: {text}")
    return ("{\n" + ",\n".join(lines) + "\n}\n").encode()


def top1(predictions: list[dict]) -> dict[str, float | None]:
    """Fraction of right answers of each kind; None where a label is not known, or no classes."""
    kinds = ("float", "int8", "rtl")
    if not predictions or any(p["label"] is None for p in predictions):
        return dict.fromkeys(kinds)
    return {
        kind: sum(p[kind] == p["label"] for p in predictions) / len(predictions) for kind in kinds
    }


def has_classes(output: dict) -> bool:
    """Whether a result's output is a vector, of which the largest value is the class."""
    return output["shape"][1:] == [1, 1]
