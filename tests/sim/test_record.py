"""What a result keeps of pictures and tensors."""

import base64
import io
import math

import numpy as np
import pytest
from PIL import Image as Pillow

from resarray.sim import record
from resarray.sim.compare import compare_tensor

pytestmark = pytest.mark.verifies("simulation", by="unit")

SCALE, ZERO_POINT = 0.25, -100
ENTRY = {"name": "t", "layer": "conv", "scale": SCALE, "zero_point": ZERO_POINT}


def tensors(shape: tuple[int, ...], seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Float values, some beyond what int8 represents, and their int8 ones."""
    real = np.random.default_rng(seed).normal(20, 20, shape).astype(np.float32)
    return real, np.clip(np.rint(real / SCALE) + ZERO_POINT, -128, 127).astype(np.int8)


def row(rtl: np.ndarray, golden: np.ndarray, real: np.ndarray) -> dict:
    return record.tensor_row(ENTRY, compare_tensor("t", rtl, golden), rtl, golden, real)


def test_error_and_saturation_value_by_value():
    real, golden = tensors((3, 6, 5, 7))
    measured = real[:2]
    found = row(golden, golden, measured)
    signal = noise = total = 0.0
    errors, clipped = [], {"low": 0, "high": 0}
    for index in np.ndindex(measured.shape):
        value = SCALE * (int(golden[index]) - ZERO_POINT)
        error = value - float(real[index])
        signal, noise, total = signal + float(real[index]) ** 2, noise + error**2, total + error
        errors.append(error / SCALE)
        clipped["low"] += golden[index] == -128 and error > SCALE / 2
        clipped["high"] += golden[index] == 127 and error < -SCALE / 2
    error = found["error"]
    assert error["images"] == 2
    assert error["sqnr_db"] == pytest.approx(10 * math.log10(signal / noise))
    assert error["mean_steps"] == pytest.approx(total / SCALE / measured.size)
    assert error["rms_steps"] == pytest.approx(math.sqrt(noise / measured.size) / SCALE)
    assert error["max_steps"] == pytest.approx(max(map(abs, errors)))
    assert sum(error["histogram"]) == measured.size
    width = 2 * error["span_steps"] / len(error["histogram"])
    middle = sum(abs(e) < width / 2 for e in errors)
    assert error["histogram"][len(error["histogram"]) // 2] == middle
    assert clipped["low"] > 0 < clipped["high"]
    assert found["saturation"] == {
        "at_lowest": int((golden == -128).sum()),
        "at_highest": int((golden == 127).sum()),
        "clipped_low": clipped["low"],
        "clipped_high": clipped["high"],
    }
    assert found["first"] is None
    assert found["values"] == golden.size


def test_exact_tensor_has_no_ratio():
    golden = np.zeros((1, 4, 2, 2), np.int8)
    real = np.full((1, 4, 2, 2), -ZERO_POINT * SCALE, np.float32)
    assert row(golden, golden, real)["error"]["sqnr_db"] is None


def decode(maps: dict, field: str, kind: str) -> np.ndarray:
    values = np.frombuffer(base64.b64decode(maps[field]), kind)
    return values.reshape(len(maps["channels"]) or 1, *maps["size"])


def test_maps_show_the_first_mismatch_and_the_liveliest_channels():
    real, golden = tensors((2, 9, 5, 7))
    golden[:, 7] = 3  # the least lively of all
    rtl = golden.copy()
    rtl[1, 7, 2, 4] = -9
    found = row(rtl, golden, real)
    assert found["first"] == {"position": [1, 7, 2, 4], "expected": 3, "got": -9}
    maps = found["maps"]
    spread = golden[1].reshape(9, -1).std(axis=1)
    assert maps["image"] == 1
    assert maps["channels"] == [7, *np.argsort(-spread)[:3]]
    got, wanted = (decode(maps, field, "i1") for field in ("rtl", "golden"))
    np.testing.assert_array_equal(got, rtl[1][maps["channels"]])
    np.testing.assert_array_equal(wanted, golden[1][maps["channels"]])
    steps = decode(maps, "float", "<i2") / maps["fraction"]
    expected = real[1][maps["channels"]] / SCALE + ZERO_POINT
    np.testing.assert_allclose(steps, expected, atol=0.5 / maps["fraction"] + 1e-4)


def test_large_maps_are_thinned_and_vectors_kept_whole():
    real, golden = tensors((1, 2, 130, 70))
    maps = row(golden, golden, real)["maps"]
    assert maps["thinning"] == 3
    np.testing.assert_array_equal(decode(maps, "rtl", "i1"), golden[0][maps["channels"], ::3, ::3])
    real, golden = tensors((1, 300, 1, 1))
    maps = row(golden, golden, real)["maps"]
    assert (maps["channels"], maps["size"]) == ([], [1, 300])
    np.testing.assert_array_equal(decode(maps, "rtl", "i1").ravel(), golden.ravel())


@pytest.mark.parametrize(("image", "row", "column"), [(0, 1, 2), (5, 128, 67)])
def test_a_mismatch_is_on_thinned_maps_of_any_image(image, row, column):
    """The float network has run on the first two images only."""
    real, golden = tensors((6, 2, 130, 70))
    rtl = golden.copy()
    rtl[image, 1, row, column] ^= 1
    maps = record.tensor_row(ENTRY, compare_tensor("t", rtl, golden), rtl, golden, real[:2])["maps"]
    assert (maps["image"], maps["thinning"]) == (image, 3)
    assert maps["offset"] == [row % 3, column % 3]
    assert (maps["float"] is None) == (image >= 2)
    got, wanted = (decode(maps, field, "i1") for field in ("rtl", "golden"))
    differs = np.argwhere(got != wanted)
    assert differs.tolist() == [[maps["channels"].index(1), row // 3, column // 3]]


@pytest.mark.parametrize("channels", [1, 3])
def test_pictures_are_small_and_few(channels):
    pixels = np.random.default_rng(0).integers(0, 256, (12, 224, 224, channels)).astype(np.uint8)
    found = record.pictures(pixels)
    assert [picture["image"] for picture in found] == list(range(record.PICTURES))
    with Pillow.open(io.BytesIO(base64.b64decode(found[0]["png"]))) as picture:
        assert picture.size == (96, 96)
        assert picture.mode == ("L" if channels == 1 else "RGB")
    small = record.pictures(pixels[:1, :8, :8])
    with Pillow.open(io.BytesIO(base64.b64decode(small[0]["png"]))) as picture:
        np.testing.assert_array_equal(
            np.asarray(picture).reshape(8, 8, channels), pixels[0, :8, :8]
        )
