"""Amaranth's conversion to Verilog in a process of its own.

Amaranth starts Yosys; from a process that is one of `children`, that ends with this one too.
"""

import dataclasses
import importlib
import json
import subprocess
import sys

from resarray.spec.config import Config
from resarray.spec.errors import ResarrayError

from . import children

REFUSED = 2  # status that tells of a `ResarrayError`


def convert(function: str, config: Config, *arguments: str) -> str:
    """What ``function``, given as "module:name", makes of ``config`` and ``arguments``."""
    given = json.dumps([function, dataclasses.asdict(config), *arguments])
    result = children.run(
        [sys.executable, "-P", "-c", f"from {__name__} import main; main()", given],
        env=children.python_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    if result.returncode == REFUSED:
        raise ResarrayError(result.stdout.strip())
    if result.returncode:
        raise RuntimeError(f"{function} failed:\n{result.stderr}")
    return result.stdout


def main() -> None:
    """The other process: its argument is what `convert` was given."""
    function, config, *arguments = json.loads(sys.argv[1])
    module, _, name = function.partition(":")
    try:
        text = getattr(importlib.import_module(module), name)(Config(**config), *arguments)
    except ResarrayError as error:
        # Not among what Amaranth warns of when it is broken off.
        print(error)
        sys.exit(REFUSED)
    sys.stdout.write(text)
