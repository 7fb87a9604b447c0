"""The pixels of a PNG: whatever the bands and the threads, other decoders read back what went in."""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from daemon.engine.codec import ordered
from daemon.engine.codec.png import pixels as png_pixels
from daemon.engine.codec.png.chunks import end, head
from daemon.engine.codec.png.pixels import MATCHES, RUNS, bands_of, combine_adler, deflated, idat_chunks
from daemon.engine.rows import Whole

Bytes = NDArray[np.uint8]


def written(samples: Bytes, *, band_bytes: int, threads: int = 2) -> bytes:
    height, width, channels = samples.shape
    return head(width, height, channels, 8) + b"".join(idat_chunks(Whole(samples), threads, band_bytes)) + end()


def read(file: bytes) -> Bytes:
    with Image.open(io.BytesIO(file)) as image:
        image.load()
        found: Bytes = np.asarray(image).reshape(image.height, image.width, -1)
    return found


@st.composite
def pictures(draw: st.DrawFn) -> Bytes:
    """From noise to one colour: every filter has its best row in some."""
    shape = draw(st.integers(1, 40)), draw(st.integers(1, 40)), draw(st.integers(1, 4))
    chance = np.random.default_rng(draw(st.integers(0, 2**32)))
    noise = chance.integers(0, 256, shape, np.uint8)
    y, x, c = np.indices(shape)
    kinds = [noise, (x * 7 + c).astype(np.uint8), (y * 5).astype(np.uint8), (x * y).astype(np.uint8), noise // 200]
    one, other = (kinds[draw(st.integers(0, 4))] for _ in range(2))
    mixed: Bytes = np.where(y % 3 == 0, one, other).astype(np.uint8)
    return mixed


@given(pictures(), st.integers(1, 2000), st.integers(1, 3))
def test_what_is_written_is_what_pillow_reads(samples: Bytes, band_bytes: int, threads: int) -> None:
    assert np.array_equal(read(written(samples, band_bytes=band_bytes, threads=threads)), samples)


@given(st.binary(max_size=9000), st.binary(max_size=9000))
def test_sums_of_pieces_add_up_to_the_sum_of_the_whole(first: bytes, second: bytes) -> None:
    combined = combine_adler(zlib.adler32(first), zlib.adler32(second), len(second))
    assert combined == zlib.adler32(first + second)


def test_bytes_depend_on_the_bands_and_not_on_the_threads() -> None:
    samples = np.random.default_rng(3).integers(0, 30, (60, 50, 3), np.uint8)
    assert written(samples, band_bytes=999, threads=1) == written(samples, band_bytes=999, threads=7)


def test_every_chunk_stands_for_itself_and_all_rows_are_told() -> None:
    samples = np.random.default_rng(4).integers(0, 256, (33, 30), np.uint8)
    rows = Whole(samples[:, :, None])
    for content in idat_chunks(rows, 2, 120):
        assert content[4:8] == b"IDAT"
        assert zlib.crc32(content[4:-4]) == int.from_bytes(content[-4:])
    assert [band.rows for band in deflated(bands_of(rows, 120), 1, 2)] == [*[4] * 8, 1]


@given(first=st.integers(0, 32), band_bytes=st.integers(1, 400))
def test_bands_from_a_row_on_are_filtered_by_the_row_above_it(first: int, band_bytes: int) -> None:
    samples = np.random.default_rng(4).integers(0, 256, (33, 30, 1), np.uint8)
    whole = list(bands_of(Whole(samples), 1))  # a row each
    starts = range(first, 33, max(1, band_bytes // 30))
    for (rows, above), start in zip(bands_of(Whole(samples), band_bytes, first), starts, strict=True):
        assert np.array_equal(above, whole[start][1])
        assert np.array_equal(rows, samples[start : start + len(rows), :, 0])


def test_no_more_bands_are_read_ahead_than_threads_can_use() -> None:
    """What bounds the memory where rows come from a stream."""
    read_ahead, taken, most = 0, 0, 0

    def rows() -> Iterator[tuple[Bytes, Bytes]]:
        nonlocal read_ahead, most
        for _ in range(100):
            read_ahead += 1
            most = max(most, read_ahead - taken)
            yield np.zeros((1, 10), np.uint8), np.zeros(10, np.uint8)

    for band in deflated(rows(), 1, 2):
        taken += band.rows
    assert taken == 100
    assert most <= 2 + ordered.WAITING + 1


def test_who_stops_taking_stops_the_work() -> None:
    begun = 0

    def rows() -> Iterator[tuple[Bytes, Bytes]]:
        nonlocal begun
        while True:
            begun += 1
            yield np.zeros((1, 10), np.uint8), np.zeros(10, np.uint8)

    chunks = deflated(rows(), 1, 2)
    for _ in range(10):
        next(chunks)
    chunks.close()
    assert begun < 30


@pytest.mark.parametrize(("kind", "expected"), [("noise", RUNS), ("flat", RUNS), ("pattern", MATCHES)])
def test_a_band_is_deflated_by_what_suits_it(kind: str, expected: png_pixels.Effort) -> None:
    noise = np.random.default_rng(5).integers(0, 256, 1 << 17, np.uint8)
    samples = {"noise": noise, "flat": np.zeros(1 << 17, np.uint8), "pattern": np.tile(noise[:1000], 131)}
    assert png_pixels._effort(samples[kind]) == expected
