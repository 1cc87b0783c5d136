"""Where things are kept between runs: trained weights, Verilog, compiled simulations, synthesis.

One place for each user, whatever folder the command is run in; environment variables name others.
docs/cache.md is for users.
"""

import math
import os
import tempfile
from pathlib import Path

from .errors import ResarrayError

CACHE, BUILD, LIMIT = "RESARRAY_CACHE", "RESARRAY_BUILD", "RESARRAY_BUILD_GIB"
DEFAULT_GIB = 2.0


def cache_folder() -> Path:
    """``$RESARRAY_CACHE``, else ``resarray`` in ``$XDG_CACHE_HOME`` or ``~/.cache``; absolute.

    `ResarrayError` where the user has no home.
    """
    chosen = os.environ.get(CACHE)
    if chosen:
        return Path(chosen).absolute()
    shared = Path(os.environ.get("XDG_CACHE_HOME", ""))
    if shared.is_absolute():  # the XDG specification: a relative one is to be ignored
        return shared / "resarray"
    try:
        return Path.home() / ".cache" / "resarray"
    except RuntimeError as error:
        raise ResarrayError(
            f"this user has no home folder to keep builds in: set {CACHE} to a folder that can be "
            "written"
        ) from error


def build_folder() -> Path:
    """``$RESARRAY_BUILD``, else ``build`` in `cache_folder`; absolute."""
    chosen = os.environ.get(BUILD)
    return Path(chosen).absolute() if chosen else cache_folder() / "build"


def build_limit() -> int:
    """Bytes that `build_folder` may grow to: ``$RESARRAY_BUILD_GIB``; `ResarrayError` where that is
    no size."""
    text = os.environ.get(LIMIT) or str(DEFAULT_GIB)
    try:
        gib = float(text)
    except ValueError:
        gib = math.nan
    if not 0 <= gib < math.inf:
        raise ResarrayError(f"{LIMIT}={text} is no size: give GiB, as in {DEFAULT_GIB:g} or 0.5")
    return int(gib * 2**30)


def require_writable_cache() -> None:
    """`ResarrayError` now, where nothing could be kept in `cache_folder` after long work."""
    folder = cache_folder()
    try:
        there = next(place for place in (folder, *folder.parents) if place.exists())
        tempfile.TemporaryFile(dir=there).close()
    except OSError as error:
        raise ResarrayError(
            f"cannot write the cache '{folder}': {error.strerror}; set {CACHE} to a folder that "
            "can be written"
        ) from error
