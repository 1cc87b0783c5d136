"""Image sources and what is said about broken ones."""

import io

import numpy as np
import pytest
from PIL import Image as Pillow

from resarray.golden.data import load_images, open_source, spread
from resarray.spec.errors import ResarrayError

pytestmark = pytest.mark.verifies("training", by="unit")

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
    """The first held-out one; and how many there are of each, as the data set's page says."""
    first = """
         0  0  0  1 11  0  0  0
         0  0  0  7  8  0  0  0
         0  0  1 13  6  2  2  0
         0  0  7 15  0  9  8  0
         0  5 16 10  0 16  6  0
         0  4 15 16 13 16  1  0
         0  0  0  3 15 10  0  0
         0  0  0  2 16  4  0  0
    """
    images = load_images("digits", 8, 1)
    values = np.array(first.split(), int).reshape(8, 8)
    np.testing.assert_array_equal(images.pixels[0, ..., 0], np.round(values * 255 / 16))
    assert images.labels[0] == 4
    labels = np.concatenate([images.labels, load_images("digits-train", 8, 1).labels])
    counts = [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    assert np.bincount(labels).tolist() == counts


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
        ({"x": X, "y": np.array([0, 1, 2, 2**40])}, "the label 1099511627776; 0 to 65535"),
        ({"x": X, "y": np.full(4, 2**64 - 1, np.uint64)}, "the label 18446744073709551615"),
        ({"x": X, "y": np.zeros(4, int), "classes": np.array([["a"]])}, r"classes is <U1 \[1, 1\]"),
        ({"x": X, "y": np.zeros(4, int), "classes": np.array("a")}, r"classes is <U1 \[\]"),
        ({"x": X, "y": np.zeros(4, int), "classes": np.zeros(3)}, "classes is float64"),
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
    (tmp_path / ".git").mkdir()
    for hidden in (".git/a.png", "cat/._0.png", ".cover.png"):
        Pillow.fromarray(picture).save(tmp_path / hidden)
    (tmp_path / "cat" / "readme.txt").write_text("not a picture")
    images = load_images(str(tmp_path), 8)
    assert images.classes == ["cat", "dog"] and images.labels.tolist() == [0, 0, 1, 1]
    assert images.pixels[:, 4, 4, 0].tolist() == [100, 101, 200, 201]
    (tmp_path / "cat" / "0.png").write_bytes(b"broken")
    with pytest.raises(ResarrayError, match=r"0.png' cannot be read as a picture"):
        load_images(str(tmp_path), 8)


def test_folders_of_which_the_classes_are_not_clear(tmp_path):
    for name in ("a", "b", "c"):
        (tmp_path / name).mkdir()
        Pillow.fromarray(np.zeros((4, 4), np.uint8)).save(tmp_path / name / "0.png")
    (tmp_path / "b" / "0.png").unlink()
    with pytest.raises(ResarrayError, match=r"b' holds no pictures, those beside it do"):
        open_source(str(tmp_path))
    Pillow.fromarray(np.zeros((4, 4), np.uint8)).save(tmp_path / "b" / "0.png")
    assert open_source(str(tmp_path)).classes == ["a", "b", "c"]
    Pillow.fromarray(np.zeros((4, 4), np.uint8)).save(tmp_path / "over.png")
    with pytest.raises(ResarrayError, match=r"holds pictures \('over.png'\) beside sub-folders"):
        open_source(str(tmp_path))


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


# -- sizes, channels, depths -----------------------------------------------------------------


def test_height_and_width():
    images = load_images("digits", (12, 20), 3, 2)
    assert images.pixels.shape == (2, 12, 20, 3)
    # The wider side is covered just so, and the centre of the other is taken.
    whole = load_images("digits", 20, 3, 2)
    np.testing.assert_array_equal(images.pixels, whole.pixels[:, 4:16])


def test_own_size(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.zeros((2, 5, 7, 3), np.uint8))
    assert open_source(str(tmp_path / "a.npz")).own_size() == (5, 7)
    for number, width in enumerate((6, 6, 9)):
        Pillow.fromarray(np.zeros((4, width), np.uint8)).save(tmp_path / f"{number}.png")
    assert open_source(str(tmp_path)).own_size() is None
    (tmp_path / "2.png").unlink()
    assert open_source(str(tmp_path)).own_size() == (4, 6)


@pytest.mark.parametrize("channels", [2, 4, 7, 20])
def test_any_number_of_channels(tmp_path, channels):
    x = RNG.integers(0, 256, (3, 30, 40, channels)).astype(np.uint8)
    np.savez(tmp_path / "a.npz", x=x)
    np.save(tmp_path / "a.npy", x)
    np.save(tmp_path / "b.npy", x.transpose(0, 3, 1, 2))
    for name in ("a.npz", "a.npy", "b.npy"):
        images = load_images(str(tmp_path / name), (30, 40), channels)
        np.testing.assert_array_equal(images.pixels, x)
        assert images.visible().shape == (3, 30, 40, 1)
        # A channel is resized as a grey picture is.
        small = load_images(str(tmp_path / name), (15, 20), channels).pixels
        np.savez(tmp_path / "grey.npz", x=x[..., 1:2])
        grey = load_images(str(tmp_path / "grey.npz"), (15, 20), 1).pixels
        np.testing.assert_array_equal(small[..., 1:2], grey)
        with pytest.raises(ResarrayError, match="the network takes 3 channels: give images of 3"):
            load_images(str(tmp_path / name), 8, 3)


def test_grey_arrays_without_a_channel_axis(tmp_path):
    x = RNG.integers(0, 256, (3, 6, 5)).astype(np.uint8)
    np.save(tmp_path / "a.npy", x)
    np.testing.assert_array_equal(load_images(str(tmp_path / "a.npy"), (6, 5), 1).pixels[..., 0], x)


def test_channels_that_are_not_clear(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros((2, 8, 8, 8), np.uint8))
    with pytest.raises(ResarrayError, match="which of these are the channels is not clear"):
        open_source(str(tmp_path / "a.npy"))
    np.savez(tmp_path / "a.npz", x=np.zeros((2, 8, 8, 12), np.uint8))  # [N][H][W][C] by definition
    assert open_source(str(tmp_path / "a.npz")).shape == (12, 8, 8)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("suffix", [".npz", ".npy"])
def test_tensors_that_are_ready(tmp_path, dtype, suffix):
    x = RNG.normal(size=(3, 5, 6, 7)).astype(dtype)
    path = str(tmp_path / f"a{suffix}")
    np.savez(path, x=x) if suffix == ".npz" else np.save(path, x)
    source = open_source(path)
    assert source.ready and source.shape == (5, 6, 7)
    images = source.read((6, 7), 5)
    assert images.pixels.dtype == np.float32
    np.testing.assert_array_equal(images.pixels, x.astype(np.float32))
    shown = images.visible()
    assert shown.shape == (3, 6, 7, 1) and shown.min() == 0 and shown.max() == 255
    with pytest.raises(ResarrayError, match="floats are not resized; give that --input-size"):
        source.read(12, 5)
    with pytest.raises(ResarrayError, match="the network takes 3 channels"):
        source.read((6, 7), 3)


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e300])
def test_tensors_that_are_not_finite(tmp_path, value):
    x = np.zeros((3, 1, 4, 4))
    x[1, 0, 2, 2] = value
    np.save(tmp_path / "a.npy", x)
    with pytest.raises(ResarrayError, match="image 1 holds values that are not finite"):
        load_images(str(tmp_path / "a.npy"), 4, 1)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "cannot be read as .npy"),
        (b"not an array", "cannot be read as .npy"),
        (np.array([None]), r"cannot be read as .npy .it holds Python objects, not numbers"),
        (np.zeros((2, 3)), r"it is float64 \[2, 3\], it must be uint8 pixels"),
        (np.zeros((2, 3, 3, 3), np.uint16), "it is uint16"),
        (np.zeros((0, 3, 3, 3)), "it must be uint8 pixels"),
        (np.zeros((2, 3, 3, 3), complex), "it is complex128"),
    ],
)
def test_wrong_npy(tmp_path, data, message):
    path = tmp_path / "a.npy"
    path.write_bytes(data) if isinstance(data, bytes) else np.save(path, data, allow_pickle=True)
    with pytest.raises(ResarrayError, match=message) as error:
        open_source(str(path))
    assert "allow_pickle" not in str(error.value)


def test_depths_of_pictures(tmp_path):
    """Grey levels mean the same whatever the picture's kind."""
    grey = np.arange(0, 256, 5, dtype=np.uint8).reshape(4, 13)
    colour = np.stack([grey, 255 - grey, grey // 2], 2)
    sixteen = grey.astype(np.uint16) * 257
    saved = {
        "L.png": Pillow.fromarray(grey),
        "I16.png": Pillow.fromarray(sixteen),
        "I16.tif": Pillow.fromarray(sixteen),
        "LA.png": Pillow.fromarray(np.stack([grey, grey], 2), "LA"),
        "P.png": Pillow.fromarray(grey).convert("P"),
    }
    for name, picture in saved.items():
        picture.save(tmp_path / name)
        found = open_source(str(tmp_path / name)).read((4, 13), 1)
        np.testing.assert_array_equal(found.pixels[0, :, :, 0], grey, err_msg=name)
    (tmp_path / "a.pgm").write_bytes(b"P5 13 4 65535\n" + sixteen.astype(">u2").tobytes())
    found = open_source(str(tmp_path / "a.pgm")).read((4, 13), 1)
    np.testing.assert_array_equal(found.pixels[0, :, :, 0], grey)
    alpha = np.concatenate([colour, grey[..., None]], 2)
    palette = Pillow.fromarray(colour).quantize(52)
    for name, picture, wanted in (
        ("RGBA.png", Pillow.fromarray(alpha), colour),
        ("palette.png", palette, np.asarray(palette.convert("RGB"))),
        ("1.png", Pillow.fromarray(grey > 99), np.repeat((grey > 99)[..., None] * 255, 3, 2)),
        ("CMYK.tif", Pillow.fromarray(colour).convert("CMYK"), colour),
    ):
        picture.save(tmp_path / name)
        found = open_source(str(tmp_path / name)).read((4, 13), 3)
        np.testing.assert_array_equal(found.pixels[0], wanted, err_msg=name)


def test_pictures_without_a_known_white(tmp_path):
    Pillow.fromarray(np.zeros((4, 4), np.float32)).save(tmp_path / "a.tif")
    with pytest.raises(ResarrayError, match="floating-point numbers, of which black and white"):
        load_images(str(tmp_path / "a.tif"), 4)
    Pillow.fromarray(np.zeros((4, 4), np.int32)).save(tmp_path / "b.tif")
    with pytest.raises(ResarrayError, match="32-bit integers"):
        load_images(str(tmp_path / "b.tif"), 4)


def test_degenerate_pictures(tmp_path):
    Pillow.fromarray(np.zeros((1, 400_000), np.uint8)).save(tmp_path / "thin.png")
    with pytest.raises(ResarrayError, match=r"1x400000 pixels, and would have 48x19200000"):
        load_images(str(tmp_path / "thin.png"), 48)
    Pillow.new("1", (10_000, 9_000)).save(tmp_path / "large.png")
    with pytest.raises(ResarrayError, match="90,000,000 pixels: at most 80,000,000 are read"):
        load_images(str(tmp_path / "large.png"), 48)
    Pillow.new("1", (30_000, 10_000)).save(tmp_path / "bomb.png")
    with pytest.raises(ResarrayError, match="more pixels than the 80,000,000 that are read"):
        load_images(str(tmp_path / "bomb.png"), 48)


def test_unknown_kind(tmp_path):
    (tmp_path / "a.mat").write_bytes(b"")
    with pytest.raises(ResarrayError, match="are of an unknown kind"):
        open_source(str(tmp_path / "a.mat"))


def test_names_that_mislead(tmp_path):
    np.save(tmp_path / "a.npy", X)
    (tmp_path / "a.npy").rename(tmp_path / "a.npz")
    with pytest.raises(ResarrayError, match=r"are a single array: name the file .npy"):
        open_source(str(tmp_path / "a.npz"))
    with pytest.raises(ResarrayError, match="--images '' names nothing"):
        open_source("")
