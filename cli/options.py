"""Options that several commands share."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class NetworkOptions:
    """Which network on which images; None: the default that suits the others."""

    model: str
    weights: Path | None
    images: str
    input_size: int | None
    count: int | None

    def arguments(self) -> dict:
        """The arguments of `pipeline.build_network`."""
        weights = None if self.weights is None else str(self.weights)
        return dataclasses.asdict(self) | {"weights": weights}
