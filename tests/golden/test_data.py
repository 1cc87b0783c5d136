"""Image sources and what is said about broken ones."""

import io

import numpy as np
import pytest
from PIL import Image as Pillow

from resarray.golden.data import load_images, open_source, spread
from resarray.spec.errors import ResarrayError

RNG = np.random.default_rng(11)


def test_digits_are_split_in_fifths():
    held_out, rest = open_source("digits"), open_source("digits-train")
    assert (held_out.count, rest.count) == (359, 1438)
    images = load_images("digits", 16, 3, 20)
    assert images.pixels.shape == (20, 16, 16, 3) and images.pixels.dtype == np.uint8
    assert (images.pixels[..., 0] == images.pixels[..., 2]).all()
    assert images.classes == [str(i) for i in range(10)] and images.labels.dtype == np.int64
    assert load_images("digits", 8, 1, 1).pixels.shape == (1, 8, 8, 1)


def test_digits_at_their_own_size_are_exact():
    from sklearn.datasets import load_digits

    pixels = load_images("digits", 8, 1).pixels[..., 0]
    np.testing.assert_array_equal(pixels, np.round(load_digits().images[4::5] * 255 / 16))


def test_spread():
    assert spread(10, 4).tolist() == [0, 2, 5, 7]
    assert spread(3, 9).tolist() == spread(3, None).tolist() == [0, 1, 2]
    with pytest.raises(ResarrayError, match="0 images"):
        spread(3, 0)


def test_npz_arrays(tmp_path):
    x = RNG.integers(0, 256, (6, 8, 8, 3)).astype(np.uint8)
    np.savez(tmp_path / "a.npz", x=x, y=np.arange(6) % 3)
    images = load_images(str(tmp_path / "a.npz"), 8)
    np.testing.assert_array_equal(images.pixels, x)
    assert images.labels.tolist() == [0, 1, 2, 0, 1, 2] and images.classes == ["0", "1", "2"]
    np.savez(tmp_path / "b.npz", x=x, y=np.arange(6) % 2, classes=np.array(["cat", "dog"]))
    assert open_source(str(tmp_path / "b.npz")).classes == ["cat", "dog"]
    np.savez(tmp_path / "c.npz", x=x[..., :1])
    images = load_images(str(tmp_path / "c.npz"), 8, 1)
    np.testing.assert_array_equal(images.pixels, x[..., :1])
    assert images.labels is None


def encode(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Pillow.fromarray(pixels).save(file, "png")
    return file.getvalue()


def test_npz_of_encoded_pictures(tmp_path):
    x = RNG.integers(0, 256, (3, 4, 4, 3)).astype(np.uint8)
    files = [encode(picture) for picture in x]
    offset = np.cumsum([0] + [len(file) for file in files])
    arrays = {"offset": offset, "y": np.arange(3), "classes": np.array(["a", "b", "c"])}
    path = str(tmp_path / "a.npz")
    np.savez(path, blob=np.frombuffer(b"".join(files), np.uint8), **arrays)
    np.testing.assert_array_equal(load_images(path, 4).pixels, x)
    np.savez(path, blob=np.zeros(offset[-1], np.uint8), **arrays)
    with pytest.raises(ResarrayError, match=r"picture 0 of .* cannot be read"):
        load_images(path, 4)
    np.savez(path, blob=np.zeros(10, np.uint8), **arrays)
    with pytest.raises(ResarrayError, match="within it"):
        load_images(path, 4)


X = np.zeros((4, 8, 8, 3), np.uint8)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x": X.astype(np.int16), "y": np.zeros(4, int)}, "x is int16"),
        ({"x": X[0, 0], "y": np.zeros(8, int)}, "must be uint8"),
        ({"x": X[:0], "y": np.zeros(0, int)}, "must be uint8"),
        ({"x": X, "y": np.zeros(3, int)}, r"y is int64 \[3\], it must be integers \[4\]"),
        ({"x": X, "y": np.zeros(4)}, "y is float64"),
        ({"x": X, "y": np.full(4, -1)}, "negative"),
        ({"x": X, "y": np.full(4, 2), "classes": np.array(["a"])}, "classes has 1 names"),
        ({"images": X}, "hold images"),
        ({"x": np.array([None])}, "cannot be read as .npz"),
    ],
)
def test_wrong_arrays(tmp_path, arrays, message):
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(ResarrayError, match=message):
        open_source(str(tmp_path / "a.npz"))


def test_not_an_npz(tmp_path):
    (tmp_path / "a.npz").write_bytes(b"PK nothing")
    with pytest.raises(ResarrayError, match=r"cannot be read as .npz"):
        open_source(str(tmp_path / "a.npz"))


def test_folder_by_class(tmp_path):
    for name, value in (("dog", 200), ("cat", 100)):
        (tmp_path / name).mkdir()
        for i in range(2):
            picture = np.full((10, 20, 3), value + i, np.uint8)
            Pillow.fromarray(picture).save(tmp_path / name / f"{i}.png")
    (tmp_path / "notes").mkdir()
    (tmp_path / "cat" / "readme.txt").write_text("not a picture")
    images = load_images(str(tmp_path), 8)
    assert images.classes == ["cat", "dog"] and images.labels.tolist() == [0, 0, 1, 1]
    assert images.pixels[:, 4, 4, 0].tolist() == [100, 101, 200, 201]
    (tmp_path / "cat" / "0.png").write_bytes(b"broken")
    with pytest.raises(ResarrayError, match=r"0.png' cannot be read as a picture"):
        load_images(str(tmp_path), 8)


def test_flat_folder_has_no_labels(tmp_path):
    Pillow.fromarray(np.full((9, 5), 7, np.uint8)).save(tmp_path / "a.png")
    images = load_images(str(tmp_path), 4)
    assert images.labels is None and images.classes == [] and (images.pixels == 7).all()


def test_centre_crop(tmp_path):
    picture = np.zeros((6, 12, 3), np.uint8)
    picture[:, 3:9] = 255
    Pillow.fromarray(picture).save(tmp_path / "a.png")
    assert (load_images(str(tmp_path), 6).pixels == 255).all()


def test_nothing_there(tmp_path):
    with pytest.raises(ResarrayError, match="holds no pictures"):
        open_source(str(tmp_path))
    with pytest.raises(ResarrayError, match="not found: give 'digits'"):
        open_source(str(tmp_path / "missing"))
