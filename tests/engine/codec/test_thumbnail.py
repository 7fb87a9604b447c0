"""A thumbnail in EXIF shows what the picture shows now, and is there only where one was."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image

from daemon.engine.codec.decode import Picture, decode
from daemon.engine.codec.thumbnail import JPEG_LENGTH, JPEG_OFFSET, with_thumbnail
from daemon.executor.formats import OutputFormat
from daemon.executor.messages import Metadata
from tests.engine.codec.pictures import encode, save


def slope(width: int, height: int) -> Image.Image:
    """Red grows to the right, green downwards: its thumbnail can be told from one that is turned."""
    y, x = np.mgrid[0:height, 0:width]
    return Image.fromarray(np.stack([255 * x // width, 255 * y // height, 0 * x], 2).astype(np.uint8))


def thumbnail_in(exif: bytes) -> Image.Image | None:
    """As another program finds it."""
    tags = Image.Exif()
    tags.load(exif)
    folder = tags.get_ifd(ExifTags.IFD.IFD1)
    if JPEG_OFFSET not in folder:
        return None
    at, size = folder[JPEG_OFFSET], folder[JPEG_LENGTH]
    image = Image.open(io.BytesIO(exif.removeprefix(b"Exif\0\0")[at : at + size]))
    image.load()
    assert image.format == "JPEG"
    return image


def with_old_thumbnail(orientation: int = 1) -> bytes:
    tags = Image.Exif()
    tags[0x010F] = "a camera"
    tags[0x0112] = orientation
    return with_thumbnail(tags.tobytes(), np.zeros((120, 160, 3), np.uint8))


@pytest.mark.parametrize("name", ["jpeg", "png", "webp", "avif"])
@pytest.mark.parametrize("keep", ["all", "safe"])
def test_it_is_made_anew_of_what_is_seen_now(tmp_path: Path, name: OutputFormat, keep: Metadata) -> None:
    source, sink = tmp_path / "source.jpg", tmp_path / "sink"
    source.write_bytes(save(slope(600, 300), "JPEG", quality=95, exif=with_old_thumbnail(orientation=6)))
    picture = decode(source)
    assert picture.pixels.shape == (600, 300, 3)
    encode(picture, sink, name, 92, keep, lambda _share: None)
    with Image.open(sink) as image:
        assert image.getexif()[0x010F] == "a camera"
        found = thumbnail_in(image.info["exif"])
    assert found is not None
    assert found.size == (80, 160)
    expected = np.asarray(Image.fromarray(picture.pixels).resize(found.size), int)
    assert np.abs(np.asarray(found, int) - expected).mean() < 4


@pytest.mark.parametrize("exif", [b"", Image.Exif().tobytes()])
def test_there_is_none_where_none_was(tmp_path: Path, exif: bytes) -> None:
    source, sink = tmp_path / "source.jpg", tmp_path / "sink"
    source.write_bytes(save(slope(60, 40), "JPEG", exif=exif))
    encode(decode(source), sink, "jpeg", 92, "all", lambda _share: None)
    with Image.open(sink) as image:
        assert thumbnail_in(image.info.get("exif") or Image.Exif().tobytes()) is None


def test_none_where_nothing_is_to_be_kept(tmp_path: Path) -> None:
    source, sink = tmp_path / "source.jpg", tmp_path / "sink"
    source.write_bytes(save(slope(60, 40), "JPEG", exif=with_old_thumbnail()))
    encode(decode(source), sink, "jpeg", 92, "none", lambda _share: None)
    with Image.open(sink) as image:
        assert "exif" not in image.info


@pytest.mark.parametrize("pixels", [
    np.full((500, 700, 1), 200, np.uint8), np.full((500, 700, 4), 200, np.uint8), np.full((5, 7, 3), 51_400, np.uint16),
])  # fmt: skip
@pytest.mark.parametrize("order", ["<", ">"])
def test_of_every_kind_of_pixels_and_order_of_bytes(pixels: np.ndarray, order: str) -> None:
    plain = b"Exif\0\0" + {"<": b"II*\0", ">": b"MM\0*"}[order]
    plain += struct.pack(order + "LHHHL4sL", 8, 1, 0x010F, 2, 4, b"me!\0", 0)
    found = thumbnail_in(with_thumbnail(plain, pixels))
    assert found is not None
    assert max(found.size) <= 160
    assert np.abs(np.asarray(found, int) - 200).max() <= 2


def test_in_a_jpeg_whose_exif_is_full_the_thumbnail_goes_first(tmp_path: Path) -> None:
    tags = Image.Exif()
    tags[0x010E] = "x" * 65_000
    grain = np.random.default_rng(3).integers(0, 256, (300, 300, 3), np.uint8)
    encode(
        Picture(grain, exif=tags.tobytes(), has_thumbnail=True), tmp_path / "sink", "jpeg", 92, "all", lambda _: None
    )
    with Image.open(tmp_path / "sink") as image:
        assert len(image.getexif()[0x010E]) == 65_000
        assert thumbnail_in(image.info["exif"]) is None


def test_damaged_exif_is_no_thumbnail(tmp_path: Path) -> None:
    source = tmp_path / "source.jpg"
    spoiled = bytearray(with_old_thumbnail())
    spoiled[10:14] = b"\xff\xff\xff\x7f"
    source.write_bytes(save(slope(60, 40), "JPEG", exif=bytes(spoiled)))
    assert not decode(source).has_thumbnail
