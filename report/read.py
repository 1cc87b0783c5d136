"""Reading and checking result files."""

import base64
import math
from pathlib import Path

from resarray.sim.format import FORMAT, content_digest, has_classes, top1
from resarray.spec.errors import ResarrayError
from resarray.spec.image import DIRECT
from resarray.spec.pixels import size_text
from resarray.spec.presets import make_config
from resarray.spec.schema import ANY, Each, SchemaError, check, parse_json

from .schema import RESULT, TENSORS, WAITS

AGAIN = "make it again with 'resarray sim --json'"


def read_json(path: Path, what: str, again: str) -> dict:
    """The JSON object in a file; `ResarrayError` says that ``what`` cannot be read, and ``again``
    how to make it."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not text"
        raise ResarrayError(f"cannot read {what} '{path}': {reason}; {again}") from error
    try:
        found = parse_json(text)
    except ValueError as error:
        raise ResarrayError(
            f"{what} '{path}' is not JSON ({error}): it is truncated or another file; {again}"
        ) from error
    if not isinstance(found, dict):
        raise ResarrayError(f"{what} '{path}' is JSON, but not an object; {again}")
    return found


def read_result(path: Path) -> dict:
    """The result in file ``path``, complete and in agreement with itself.

    `ResarrayError` for a file that cannot be read, is of another format version, was changed since
    it was written, or holds fields that are missing, out of range or contradict each other.
    """
    result = read_json(path, "result", AGAIN)
    if "format" not in result:
        raise ResarrayError(f"'{path}' is not a result of 'resarray sim' (no 'format'); {AGAIN}")
    if result["format"] not in (1, 2, 3, FORMAT):
        raise ResarrayError(
            f"result '{path}' has format {result['format']!r}, this resarray reads {FORMAT}; "
            f"{AGAIN}"
        )
    if result.get("digest") != content_digest(result):
        raise ResarrayError(
            f"result '{path}' was changed after it was written (its digest does not fit its "
            f"content); {AGAIN}"
        )
    if result["format"] == 1:  # its input_size was one number, of a square
        result |= {"format": 2, "input_size": [result.get("input_size")] * 2}
    try:
        if result["format"] == 2:  # the last tensor was the one output
            check(result, {"tensors": TENSORS})
            result |= {"format": 3, "outputs": _last(result["tensors"])}
        if result["format"] == 3:
            check(result, {"layers": [Each(ANY)]})
            layers = [layer | {"method": DIRECT} for layer in result["layers"]]
            result |= {"format": FORMAT, "layers": layers}
        check(result, RESULT)
        _check_sums(result)
    except SchemaError as error:
        raise ResarrayError(f"result '{path}' {error}; {AGAIN}") from error
    return result


def _last(tensors: list[dict]) -> list[dict]:
    """The outputs of a result of format 2."""
    return [
        {"tensor": t["name"], "shape": t["shape"], "sqnr_db": t["error"]["sqnr_db"]}
        for t in tensors[-1:]
    ]


def _equal(what: str, value: float, expected: float) -> None:
    if not math.isclose(value, expected, rel_tol=1e-9):
        raise SchemaError(f"contradicts itself: {what} is {value:g}, the rest says {expected:g}")


def _check_sums(result: dict) -> None:
    layers, tensors, counters = result["layers"], result["tensors"], result["counters"]
    try:
        config = make_config(result["config"])
    except ResarrayError as error:
        raise SchemaError(f"has an impossible configuration ({error})") from error
    if f"{config.hash:016x}" != result["config_hash"]:
        raise SchemaError("contradicts itself: the configuration has another hash")
    if config.name != result["preset"]:
        raise SchemaError("contradicts itself: the configuration is not the preset's")
    if "resarray" not in result["provenance"]["versions"]:
        raise SchemaError("has no field 'provenance.versions.resarray'")
    _equal("macs_per_cycle", result["macs_per_cycle"], config.macs_per_cycle)
    _equal("multipliers", result["multipliers"], config.multipliers)

    _equal("cycles", result["cycles"], counters["CYCLES"])
    _equal("cycles", result["cycles"], sum(layer["cycles"] for layer in layers))
    _equal("macs", result["macs"], sum(layer["macs"] for layer in layers))
    peak = config.macs_per_cycle * result["cycles"]
    _equal("utilization", result["utilization"], result["macs"] / peak)
    products = config.multipliers * result["cycles"]
    _equal(
        "macs_per_multiplier_cycle", result["macs_per_multiplier_cycle"], result["macs"] / products
    )
    _equal(
        "cycles_per_second",
        result["cycles_per_second"] * result["sim_seconds"],
        result["cycles"] if result["sim_seconds"] else 0,
    )
    for layer in layers:
        peak = config.macs_per_cycle * layer["cycles"]
        share = layer["macs"] / peak if peak else 0
        _equal(f"utilization of layer '{layer['name']}'", layer["utilization"], share)
    kinds = ("BUSY", *WAITS)
    _equal("counters.CYCLES", counters["CYCLES"], sum(counters[kind] for kind in kinds))
    for wait in WAITS:
        _equal(f"counters.{wait}", counters[wait], sum(layer["waits"][wait] for layer in layers))
    for field, counter in (("bytes_read", "READ_BEATS"), ("bytes_written", "WRITE_BEATS")):
        moved = sum(layer[field] for layer in layers)
        _equal(f"the sum of {field}", moved, config.rows * counters[counter])
    for layer in layers:
        if sum(layer["waits"].values()) > layer["cycles"]:
            raise SchemaError(f"contradicts itself: layer '{layer['name']}' waits too long")

    names = [layer["name"] for layer in layers]
    if [tensor["layer"] for tensor in tensors] != names or len(set(names)) != len(names):
        raise SchemaError("contradicts itself: its tensors are not those of its layers")
    if not layers:
        raise SchemaError("has no layers")
    _equal("tensors_compared", result["tensors_compared"], len(tensors))
    _equal("values_compared", result["values_compared"], sum(t["values"] for t in tensors))
    _equal("mismatches", result["mismatches"], sum(t["mismatches"] for t in tensors))
    if result["bit_exact"] != (result["mismatches"] == 0):
        raise SchemaError("contradicts itself: bit_exact and mismatches disagree")
    for layer, tensor in zip(layers, tensors, strict=True):
        _check_tensor(layer, tensor, result["images"])
    _check_images(result)
    if result["timeline"] is not None:
        _check_timeline(result)


def _check_tensor(layer: dict, tensor: dict, images: int) -> None:
    name, values = tensor["name"], math.prod(tensor["shape"])
    if tensor["shape"] != layer["shape"]:
        raise SchemaError(f"contradicts itself: tensor '{name}' has another shape than its layer")
    _equal(f"mismatches of layer '{layer['name']}'", layer["mismatches"], tensor["mismatches"])
    _equal(f"values of tensor '{name}'", tensor["values"], images * values)
    if (tensor["first"] is None) != (tensor["mismatches"] == 0):
        raise SchemaError(f"contradicts itself: first mismatch of tensor '{name}'")
    error, maps = tensor["error"], tensor["maps"]
    if error["images"] > images:
        raise SchemaError(f"contradicts itself: the error of '{name}' is of too many images")
    _equal(f"the histogram of '{name}'", sum(error["histogram"]), error["images"] * values)
    if tensor["first"] is not None:
        inside = zip(tensor["first"]["position"], (images, *tensor["shape"]), strict=True)
        if any(at >= size for at, size in inside):
            raise SchemaError(f"contradicts itself: first mismatch of tensor '{name}'")
    if maps["channels"] and max(maps["channels"]) >= tensor["shape"][0]:
        raise SchemaError(f"contradicts itself: feature maps of '{name}'")
    if maps["image"] >= images or max(maps["offset"]) >= maps["thinning"]:
        raise SchemaError(f"contradicts itself: feature maps of '{name}'")
    size = max(1, len(maps["channels"])) * math.prod(maps["size"])
    for field, width in (("rtl", 1), ("golden", 1), ("float", 2)):
        if maps[field] is None:
            continue
        length = len(base64.b64decode(maps[field]))
        _equal(f"bytes of {field} of the feature maps of '{name}'", length, width * size)


def _check_images(result: dict) -> None:
    images, outputs = result["images"], result["outputs"]
    shapes = {tensor["name"]: tensor["shape"] for tensor in result["tensors"]}
    if not outputs or any(shapes.get(o["tensor"]) != o["shape"] for o in outputs):
        raise SchemaError("contradicts itself: its outputs are none of its tensors")
    classes, predicted = outputs[0]["shape"][0], images if has_classes(outputs[0]) else 0
    if [p["image"] for p in result["predictions"]] != list(range(predicted)):
        raise SchemaError("contradicts itself: its predictions are not those of its images")
    for prediction in result["predictions"]:
        if max(prediction[kind] for kind in ("float", "int8", "rtl")) >= classes:
            raise SchemaError("contradicts itself: a prediction is beyond the network's classes")
    for kind, expected in top1(result["predictions"]).items():
        share = result["top1"][kind]
        if (share is None) != (expected is None):
            raise SchemaError("contradicts itself: top1 and labels disagree")
        if expected is not None:
            _equal(f"top1.{kind}", share, expected)
    if any(picture["image"] >= images for picture in result["pictures"]):
        raise SchemaError("contradicts itself: it has pictures of other images")


def _check_timeline(result: dict) -> None:
    timeline, counters = result["timeline"], result["counters"]
    windows = math.ceil(timeline["cycles"] / timeline["window"])
    for name, counts in timeline["counts"].items():
        _equal(f"the number of windows of '{name}'", len(counts), windows)
        if max(counts) > timeline["window"]:
            raise SchemaError(f"contradicts itself: '{name}' is busier than its windows are long")
    ends = timeline["layer_ends"]
    if len(ends) != len(result["layers"]) or ends != sorted(ends) or ends[-1] != timeline["cycles"]:
        raise SchemaError("contradicts itself: the timeline's layers do not fill it")
    if result["images"] == result["batch"]:
        names = {"compute": "BUSY", "store": "WRITE_BEATS"} | {w.lower(): w for w in WAITS}
        for name, counter in names.items():
            _equal(f"the timeline's '{name}'", sum(timeline["counts"][name]), counters[counter])
        _equal("the timeline's cycles", timeline["cycles"], result["cycles"])


def model_name(result: dict) -> str:
    """The model without the folder that its file lies in."""
    return result["model"].rsplit("/", 1)[-1]


def require_comparable(results: list[tuple[Path, dict]]) -> None:
    """`ResarrayError` where two results are not of one network at one input size."""
    first_path, first = results[0]
    for path, other in results[1:]:
        for what, key in (("model", model_name), ("input size", _size)):
            if key(first) != key(other):
                raise ResarrayError(
                    f"'{first_path}' and '{path}' cannot be compared: their {what}s are "
                    f"'{key(first)}' and '{key(other)}'; give results of one network"
                )
        if _work(first) != _work(other):
            raise ResarrayError(
                f"'{first_path}' and '{path}' cannot be compared: '{first['model']}' has other "
                "layers in one than in the other; give results of one network"
            )


def _size(result: dict) -> str:
    return size_text(result["input_size"])


def _work(result: dict) -> list:
    """Layers with their multiply-accumulates per image. A pool is a layer of its own where the
    configuration cannot pool on the way out."""
    return [
        (row["name"], row["macs"] / result["images"]) for row in result["layers"] if row["macs"]
    ]
