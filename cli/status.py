"""Exit status of a command: what went wrong is one line on standard error."""

import contextlib
import sys
import traceback
from collections.abc import Callable

import typer
from typer.exceptions import TyperException

from resarray.spec.errors import ResarrayError

from . import signals, streams


def status_of(command: Callable[[], object]) -> int:
    """Run ``command``; its exit status: the number that it returns, 0 for none, 2 for bad input,
    130 and the like where a signal ended it, 3 for a bug.

    Nobody need read the output: a closed standard output or a reader that goes changes nothing.
    """
    try:
        with signals.raised():
            status = command()
        sys.stdout.flush()
        return status if isinstance(status, int) else 0
    except (ResarrayError, TyperException, OSError) as error:
        sentence = error.format_message() if isinstance(error, TyperException) else str(error)
        if isinstance(error, OSError):
            streams.drop_output()
            what = (
                f"cannot read '{error.filename}'" if error.filename else "cannot write the output"
            )
            sentence = f"{what}: {error.strerror}"
        if sentence:
            print("error: " + " ".join(sentence.split()), file=sys.stderr)
        return 2
    except (KeyboardInterrupt, typer.Abort):
        print("error: interrupted", file=sys.stderr)
        return 130
    except signals.Ended as ended:
        with contextlib.suppress(OSError):  # the terminal may be gone
            print(f"error: {ended}", file=sys.stderr)
        return ended.status
    except Exception:
        traceback.print_exc()
        print("error: this is a bug in resarray, not in what was given: report it", file=sys.stderr)
        return 3
