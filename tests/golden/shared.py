"""Real weights and images, where they are at hand."""

import os
from pathlib import Path

import pytest

_DEFAULT = Path(__file__).parents[3] / "shared"
SHARED_DATA = Path(os.environ.get("RESARRAY_SHARED") or _DEFAULT) / "data"


def needs(*names: str) -> pytest.MarkDecorator:
    """Skip the test where one of these files of the shared folder is missing."""
    missing = [name for name in names if not (SHARED_DATA / name).is_file()]
    return pytest.mark.skipif(
        bool(missing), reason=f"{', '.join(missing)} not in {SHARED_DATA}: set RESARRAY_SHARED"
    )
