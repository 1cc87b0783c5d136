"""What commands write for other programs."""

import json
from pathlib import Path

from resarray.spec.files import write_atomic


def write_json(path: Path | None, value: object) -> None:
    """``value`` to ``path``, whole or not at all; nothing where no file was asked for."""
    if path is not None:
        write_atomic(path, (json.dumps(value, indent=2) + "\n").encode())
