"""The stand-in accelerator and programs for it: what the simulation layer is tested with."""

import dataclasses
from pathlib import Path

import numpy as np

from resarray.spec import layout
from resarray.spec.config import Config
from resarray.spec.image import Image

COPY, CHECK, CHECK_EARLY, STUCK, ERROR, UNSTABLE = 1, 2, 3, 4, 5, 6


def design(config: Config, stall: int = 0) -> str:
    """Verilog of the stub under ``config``'s identity, pausing with probability stall/256."""
    text = (Path(__file__).parent / "stub_accelerator.v").read_text()
    defines = {"STUB_ROWS": config.rows, "STUB_HASH": f"64'd{config.hash}", "STUB_STALL": stall}
    return "".join(f"`define {name} {value}\n" for name, value in defines.items()) + text


def program(config: Config, shape: tuple[int, int, int], mode: int = COPY) -> Image:
    """Image whose program copies one input of ``shape`` [C, H, W] to the tensor "copy"."""
    blocked = layout.Blocked(*shape, config.rows)
    size = blocked.size
    entry = {"image": 0, "layout": layout.to_dict(blocked), "scale": 1.0, "zero_point": 0}
    manifest = {
        "model": "stub",
        "config": dataclasses.asdict(config),
        "batch": 1,
        "program": {"addr": 0, "count": mode},
        "mem_size": 2 * size,
        "write_base": size,
        "inputs": [{**entry, "addr": 0}],
        "outputs": ["copy"],
        "tensors": [{**entry, "name": "copy", "layer": "copy", "addr": size}],
        "layers": [
            {
                "name": "copy",
                "op": "conv",
                "shape": list(shape),
                "macs": 1000,
                "bytes_read": size,
                "bytes_written": size,
                "predicted_cycles": 1,
                "tensor": "copy",
            }
        ],
    }
    return Image(config.hash, manifest, b"")


def expected(inputs: np.ndarray) -> np.ndarray:
    """What the stub makes of its input."""
    return inputs ^ np.int8(0x5A)
