"""JPEGs written strip by strip are those that one encoder would have written, whatever the size, and carry the same."""

from __future__ import annotations

import io
from typing import Any

import imagecodecs
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from daemon.engine.codec.jpeg.segments import take_apart
from daemon.engine.codec.jpeg.write import Sampling, strip_rows, write_jpeg
from daemon.engine.codec.metadata import Kept
from daemon.engine.codec.sink import Sink
from daemon.engine.rows import Whole
from daemon.errors import Cancelled
from daemon.executor.formats import FACTS

Picture = NDArray[np.uint8]


def noise(height: int, width: int, channels: int) -> Picture:
    """A slope under grain, so that blocks differ and few of them are empty."""
    y, x = np.mgrid[0:height, 0:width]
    grain = np.random.default_rng(height * width).integers(0, 40, (height, width, channels))
    return np.asarray((3 * x + 5 * y)[:, :, None] % 216 + grain, np.uint8)


def written(
    pixels: Picture, quality: int = 92, sampling: Sampling = "444", threads: int = 2, along: Kept | None = None
) -> bytes:
    file = io.BytesIO()
    write_jpeg(Sink(file), Whole(pixels), along or Kept(None), quality, sampling, threads, lambda _share: None)
    return file.getvalue()


def by_pillow(pixels: Picture, quality: int, sampling: Sampling, **options: Any) -> bytes:
    file = io.BytesIO()
    image = Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)
    image.save(file, "JPEG", quality=quality, subsampling={"444": 0, "420": 2}[sampling], **options)
    return file.getvalue()


def seen(content: bytes) -> NDArray[Any]:
    with Image.open(io.BytesIO(content)) as image:
        image.load()
        return np.asarray(image)


@settings(max_examples=60, deadline=None)
@given(
    height=st.integers(1, 400),
    width=st.integers(1, 120),
    channels=st.sampled_from([1, 3]),
    quality=st.sampled_from([1, 50, 92, 100]),
    sampling=st.sampled_from(["444", "420"]),
    threads=st.integers(1, 9),
)
def test_any_picture_has_the_pixels_that_one_encoder_would_have_left(
    height: int, width: int, channels: int, quality: int, sampling: Sampling, threads: int
) -> None:
    pixels = noise(height, width, channels)
    ours = written(pixels, quality, sampling, threads)
    whole = seen(by_pillow(pixels, quality, sampling))
    assert np.array_equal(seen(ours), whole)
    assert np.array_equal(
        imagecodecs.jpeg8_decode(ours), imagecodecs.jpeg8_decode(by_pillow(pixels, quality, sampling))
    )


def test_of_one_strip_the_scan_is_the_encoders_own() -> None:
    pixels = noise(16, 16, 3)
    assert strip_rows(16, 16, 8, 1) == 8
    single = noise(8, 16, 3)
    assert take_apart(written(single)).scan == take_apart(by_pillow(single, 92, "444")).scan
    assert b"\xff\xdd" not in written(single)
    assert b"\xff\xdd\x00\x04\x00\x02" in written(pixels, threads=1), "two units between two markers"


@settings(max_examples=200, deadline=None)
@given(
    width=st.integers(1, 65_535),
    height=st.integers(1, 65_535),
    unit=st.sampled_from([8, 16]),
    threads=st.integers(1, 64),
)
def test_strips_are_whole_units_and_no_more_of_them_than_a_marker_can_count(
    width: int, height: int, unit: int, threads: int
) -> None:
    rows = strip_rows(width, height, unit, threads)
    assert rows % unit == 0
    assert 1 <= rows // unit * -(-width // unit) <= 65_535


def test_a_picture_as_wide_as_anybody_opens() -> None:
    pixels = noise(40, FACTS["jpeg"].most_side, 1)
    assert np.array_equal(seen(written(pixels)), seen(by_pillow(pixels, 92, "444")))


def test_what_travels_is_read_back_a_profile_of_many_pieces_too() -> None:
    profile = bytes(range(256)) * 700
    exif = Image.Exif()
    exif[0x010E] = "a picture"
    along = Kept(profile, exif.tobytes(), b"<x:xmpmeta/>", (300.0, 150.4))
    pixels = noise(20, 30, 3)
    with Image.open(io.BytesIO(written(pixels, along=along))) as image:
        assert image.info["icc_profile"] == profile
        assert image.info["dpi"] == (300, 150)
        assert image.info["xmp"] == b"<x:xmpmeta/>"
        assert image.getexif()[0x010E] == "a picture"
    with Image.open(io.BytesIO(written(pixels))) as image:
        assert not {"icc_profile", "dpi", "xmp", "exif"} & image.info.keys()


def test_the_share_rises_to_one_and_what_it_raises_stops_the_work() -> None:
    pixels, shares = noise(400, 50, 3), list[float]()
    write_jpeg(Sink(io.BytesIO()), Whole(pixels), Kept(None), 92, "444", 2, shares.append)
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    assert len(shares) > 4

    def cancel(_share: float) -> None:
        raise Cancelled("stop")

    with pytest.raises(Cancelled):
        write_jpeg(Sink(io.BytesIO()), Whole(pixels), Kept(None), 92, "444", 2, cancel)
