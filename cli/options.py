"""Options that several commands share."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path

from resarray.golden.networks.names import NAMES
from resarray.spec.errors import ResarrayError, reason
from resarray.spec.pixels import as_size


@dataclass(frozen=True)
class NetworkOptions:
    """Which network on which images, as typed; None: the default that suits the others."""

    model: str
    weights: Path | None = None
    images: str | None = None
    input_size: str | None = None
    count: int | None = None
    calibration: str | None = None
    mean: str | None = None
    std: str | None = None
    classes: str | None = None
    name: str | None = None

    def arguments(self) -> dict:
        """The arguments of `pipeline.build_network`; `ResarrayError` where an option is not what
        it must be."""
        found = dataclasses.asdict(self)
        found["calibration_images"] = found.pop("calibration")
        if self.weights is not None:
            found["weights"] = str(self.weights)
        if self.input_size is not None:
            found["input_size"] = as_size(self.input_size)
        for option in ("mean", "std"):
            if found[option] is not None:
                found[option] = _numbers(found[option], option)
        if self.classes is not None:
            found["classes"] = _class_names(self.classes)
        return found

    def require_calibration(self) -> None:
        """`ResarrayError` where a user's network would be calibrated on whatever is at hand."""
        if self.model in NAMES or self.images is not None or self.calibration is not None:
            return
        if not _has_scales(self.model):
            raise ResarrayError(
                f"nothing says on what the ranges of '{self.model}' are to be measured: give "
                "--calibration IMAGES, some dozens of pictures as the network will see them"
            )


def _has_scales(model: str) -> bool:
    """Whether a model is a file that is quantised already."""
    from resarray.golden.importers.files import is_model_file, open_file
    from resarray.golden.models import find_model

    if is_model_file(model):
        return open_file(Path(model)).quantised
    if ":" not in model:
        find_model(model)  # says that there is none
    return False


def _numbers(text: str, option: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise ResarrayError(
            f"--{option} {text!r} is not one number, or one per channel: give them as 0.5 or "
            "0.4,0.5,0.6"
        ) from None


def _class_names(text: str) -> list[str]:
    """Names, one a line of the file ``text``, or separated by commas."""
    path = Path(text)
    if path.is_file():
        try:
            names = path.read_text(encoding="utf-8").splitlines()
        except (OSError, ValueError) as error:
            raise ResarrayError(
                f"--classes '{text}' cannot be read ({reason(error)}): give a text file with one "
                "name a line"
            ) from error
        names = [name.strip() for name in names]
        while names and not names[-1]:
            names.pop()
    elif "," in text:
        names = [name.strip() for name in text.split(",")]
    else:
        kind = "a folder" if path.is_dir() else "no file"
        raise ResarrayError(
            f"--classes '{text}' is {kind}: give a text file with one name a line, or the names "
            "separated by commas"
        )
    if not names or not all(names):
        raise ResarrayError(f"--classes '{text}' has an empty name: give one name per class")
    return names
