"""``make verification``: writes docs/verification.md and the README's table of presets."""

import shutil
import sys

from ...spec.errors import ResarrayError
from . import page
from .marks import RESULT


def main() -> int:
    try:
        if RESULT.exists():
            shutil.copy(RESULT, page.TESTS)
        page.PAGE.write_text(page.render())
        page.README.write_text(page.with_presets(page.README.read_text()))
    except ResarrayError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"{page.PAGE.relative_to(page.ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
