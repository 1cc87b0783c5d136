"""Random edits of what was read from JSON."""

import copy
import random

ODD: tuple = (
    None,
    True,
    -1,
    0,
    1,
    3,
    7,
    64,
    255,
    2**20,
    2**31,
    2**40,
    2**70,
    10**400,
    0.5,
    -0.0,
    1e300,
    float("nan"),
    float("inf"),
    "",
    "x",
    "\ud800",
    "\x1b[31m",
    [],
    {},
    [[]],
    [1, 2, 3],
    {"kind": 1},
)


def edit(found: dict, rng: random.Random) -> str:
    """Change something in ``found``; what."""
    where: dict | list = found
    path = ""
    while True:
        keys = list(where) if isinstance(where, dict) else list(range(len(where)))
        key = rng.choice(keys)
        inner = where[key]
        path += f"[{key!r}]"
        if not isinstance(inner, dict | list) or not inner or rng.random() < 0.2:
            break
        where = inner
    kind = rng.choice(["delete", "odd", "odd", "odd", "near", "double", "add"])
    if kind == "delete":
        del where[key]
    elif kind == "near" and isinstance(inner, int):
        where[key] = inner + rng.choice([-64, -4, -1, 1, 4, 64])
    elif kind == "double" and isinstance(where, list):
        where.append(copy.deepcopy(inner))
    elif kind == "add" and isinstance(where, dict):
        where["more"] = rng.choice(ODD)
    else:
        where[key] = rng.choice(ODD)
    return f"{kind} {path}"
