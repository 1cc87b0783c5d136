"""Types and ranges of the fields of a result file, and of what ``resarray inspect`` writes."""

from resarray.spec.registers import COUNTERS, PROFILE_FIELDS
from resarray.spec.schema import (
    AMOUNT,
    ANY,
    BYTES,
    COUNT,
    FLAG,
    INT8,
    NUMBER,
    PNG,
    POSITIVE,
    RATIO,
    SIZE,
    TEXT,
    Each,
    Maybe,
    Schema,
    Sized,
)

WAITS = tuple(name for name in PROFILE_FIELDS if name.startswith("WAIT_"))
# What the recorder counts, see `resarray.sim.activity.Activity`.
ENGINES = ("fetch", "load", "weights", "residual", "compute", "drain", "store")
EVENTS = (*ENGINES, *(name.lower() for name in WAITS))

_NAMED_CLASSES = {"float": COUNT, "int8": COUNT, "rtl": COUNT}
_TOP1 = dict.fromkeys(_NAMED_CLASSES, RATIO.or_none())

TENSORS: Schema = [
    {
        "name": TEXT,
        "layer": TEXT,
        "shape": Sized(SIZE, 3),
        "scale": POSITIVE,
        "zero_point": INT8,
        "values": SIZE,
        "mismatches": COUNT,
        "first": Maybe({"position": Sized(COUNT, 4), "expected": INT8, "got": INT8}),
        "error": {
            "images": SIZE,
            "sqnr_db": NUMBER.or_none(),
            "mean_steps": NUMBER,
            "rms_steps": AMOUNT,
            "max_steps": AMOUNT,
            "span_steps": POSITIVE,
            "histogram": [COUNT],
        },
        "saturation": dict.fromkeys(
            ("at_lowest", "at_highest", "clipped_low", "clipped_high"), COUNT
        ),
        "maps": {
            "image": COUNT,
            "channels": [COUNT],
            "thinning": SIZE,
            "size": Sized(SIZE, 2),
            "offset": Sized(COUNT, 2),
            "fraction": SIZE,
            "rtl": BYTES,
            "golden": BYTES,
            "float": BYTES.or_none(),
        },
    }
]
RESULT: Schema = {
    "format": SIZE,
    "model": TEXT,
    "weights": TEXT.or_none(),
    "input_size": Sized(SIZE, 2),
    "images": SIZE,
    "batch": SIZE,
    "image_source": TEXT,
    "simulator": TEXT,
    "preset": TEXT,
    "config": Each(ANY),
    "config_hash": TEXT,
    "bit_exact": FLAG,
    "tensors_compared": COUNT,
    "values_compared": COUNT,
    "mismatches": COUNT,
    "macs": COUNT,
    "cycles": SIZE,
    "utilization": AMOUNT,
    "macs_per_cycle": SIZE,
    "multipliers": SIZE,
    "macs_per_multiplier_cycle": AMOUNT,
    "sim_seconds": AMOUNT,
    "cycles_per_second": AMOUNT,
    "memory": {
        "latency": SIZE,
        "bytes_per_cycle": POSITIVE.or_none(),
        "stall_probability": RATIO,
        "seed": COUNT,
    },
    "counters": dict.fromkeys(COUNTERS, COUNT),
    "top1": _TOP1,
    "predictions": [{"image": COUNT, "label": COUNT.or_none(), **_NAMED_CLASSES}],
    "outputs": [{"tensor": TEXT, "shape": Sized(SIZE, 3), "sqnr_db": NUMBER.or_none()}],
    "layers": [
        {
            "name": TEXT,
            "op": TEXT,
            "method": TEXT,
            "shape": Sized(SIZE, 3),
            "macs": COUNT,
            "cycles": COUNT,
            "predicted_cycles": COUNT,
            "utilization": AMOUNT,
            "bytes_read": COUNT,
            "bytes_written": COUNT,
            "waits": dict.fromkeys(WAITS, COUNT),
            "mismatches": COUNT,
        }
    ],
    "differences": [TEXT],
    "tensors": TENSORS,
    "class_names": [TEXT],
    "pictures": [{"image": COUNT, "png": PNG}],
    "timeline": Maybe(
        {
            "window": SIZE,
            "cycles": SIZE,
            "layer_ends": [COUNT],
            "counts": {name: [COUNT] for name in EVENTS},
        }
    ),
    "provenance": {"command": TEXT, "date": TEXT, "versions": Each(TEXT)},
    "digest": TEXT,
}

INSPECTION_FORMAT = 1
INSPECTION: Schema = {
    "model": TEXT,
    "input_shape": Sized(SIZE, 3),
    "runs": FLAG,
    "reasons": [TEXT],
    "macs": COUNT,
    "parameters": COUNT,
    "weight_bytes": COUNT,
    "memory": {"latency": SIZE, "bytes_per_cycle": Maybe(POSITIVE)},
    "operators": [
        {
            "name": TEXT,
            "operator": TEXT,
            "shape": Maybe([SIZE]),
            "macs": COUNT,
            "parameters": COUNT,
            "weight_bytes": COUNT,
            "receptive_field": Maybe(Sized(SIZE, 2)),
            "refusal": Maybe(TEXT),
        }
    ],
    "presets": [
        {
            "preset": TEXT,
            "clock_hz": POSITIVE,
            "clock_of": TEXT,
            "cycles": Maybe(SIZE),
            "images_per_second": Maybe(POSITIVE),
            "utilisation": Maybe(AMOUNT),
            "memory_bytes": Maybe(SIZE),
            "layers": ANY,
            "error": Maybe(TEXT),
        }
    ],
}
