from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from daemon.engine.codec.decode import Picture, decode
from daemon.engine.codec.metadata import MOST_DPI
from daemon.errors import BadRequest, Cancelled, DiskFull, ImageTooLarge
from daemon.executor.formats import OutputFormat
from daemon.executor.messages import Metadata
from tests.engine.codec.pictures import encode, exif, noise, raw_exif

FORMATS: list[OutputFormat] = ["png", "jpeg", "webp", "tiff", "avif"]
GPS, EXIF_IFD, MAKER_NOTE, TAKEN_AT = 0x8825, 0x8769, 0x927C, 0x9003


def _picture(mode: str = "RGB", **also: object) -> Picture:
    pixels = np.asarray(noise(mode))
    return Picture(pixels.reshape(*pixels.shape[:2], -1), **also)  # type: ignore[arg-type]


def ignore(_share: float) -> None:
    """Progress that nobody follows."""


@pytest.fixture
def sink(tmp_path: Path) -> Path:
    return tmp_path / "result"


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
def test_a_png_gives_back_every_pixel(sink: Path, mode: str) -> None:
    picture = _picture(mode)
    encode(picture, sink, "png", 92, "all", ignore)
    assert np.array_equal(decode(sink).pixels, picture.pixels)


@pytest.mark.parametrize("name", FORMATS)
def test_size_and_digest_are_those_of_the_file(sink: Path, name: OutputFormat) -> None:
    written = encode(_picture(), sink, name, 92, "all", ignore)
    content = sink.read_bytes()
    assert (written.size, written.sha256) == (len(content), hashlib.sha256(content).hexdigest())
    with Image.open(sink) as image:
        assert (image.format or "").lower() == name


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("keep", ["all", "safe", "none"])
def test_what_is_kept_is_what_was_asked_for(sink: Path, name: OutputFormat, keep: Metadata) -> None:
    picture = _picture(icc_profile=b"a profile", exif=exif(gps=1), xmp=b"<x/>", dpi=(300.0, 300.0))
    encode(picture, sink, name, 92, keep, ignore)
    with Image.open(sink) as image:
        tags = image.getexif()
        assert image.info.get("icc_profile") == b"a profile"
        assert (tags.get(0x010F) == "a camera") == (keep != "none")
        assert (GPS in tags) == (keep == "all")
        assert (MAKER_NOTE in tags.get_ifd(EXIF_IFD)) == (keep == "all")
        assert (TAKEN_AT in tags.get_ifd(EXIF_IFD)) == (keep != "none")
        assert ("xmp" in image.info) == (keep == "all")
        if name not in {"webp", "avif"}:
            assert (round(image.info.get("dpi", (0, 0))[0]) == 300) == (keep != "none")
    if keep != "all":
        assert b"the place again" not in sink.read_bytes()


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("keep", ["all", "safe"])
def test_metadata_too_long_for_a_format_costs_no_result(sink: Path, name: OutputFormat, keep: Metadata) -> None:
    """PNG and WebP may bring more than one segment of a JPEG holds."""
    tags = Image.Exif()
    tags[0x010E] = "x" * 70_000
    encode(_picture(exif=tags.tobytes(), xmp=b"<x/>" * 20_000), sink, name, 92, keep, ignore)
    with Image.open(sink) as image:
        assert (image.getexif().get(0x010E) == "x" * 70_000) == (name != "jpeg")


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("dots", [0.0, -1.0, 1e-9, 1e12, float("inf"), float("nan")])
def test_a_resolution_that_no_file_can_say_is_left_out(sink: Path, name: OutputFormat, dots: float) -> None:
    """Found by mutation: EXIF may speak of billions of dots an inch, of which workers died."""
    encode(_picture(dpi=(dots, dots)), sink, name, 92, "all", ignore)
    assert decode(sink).dpi is None


@pytest.mark.parametrize(("name", "most"), MOST_DPI.items())
def test_the_highest_resolution_that_a_file_can_say_is_kept(sink: Path, name: OutputFormat, most: float) -> None:
    encode(_picture(dpi=(most, 1.0)), sink, name, 92, "all", ignore)
    with Image.open(sink) as image:
        assert image.info["dpi"] == pytest.approx((most, 1.0), rel=0.02)


@pytest.mark.parametrize("name", MOST_DPI)
@pytest.mark.parametrize("keep", ["all", "safe", "none"])
def test_a_resolution_that_was_asked_for_stands_in_place_of_the_pictures_own(
    sink: Path, name: OutputFormat, keep: Metadata
) -> None:
    """EXIF that says another is told too; what was asked for goes along where nothing else does."""
    tags = Image.Exif()
    tags[0x011A], tags[0x011B], tags[0x0128] = 72.0, 72.0, 3
    picture = _picture(exif=tags.tobytes(), dpi=(72.0, 72.0))
    encode(picture, sink, name, 92, keep, ignore, dpi=240.0)
    with Image.open(sink) as image:
        assert image.info["dpi"] == pytest.approx((240, 240), abs=0.5)
        if keep != "none":
            told = image.getexif()
            assert (told[0x011A], told[0x011B], told[0x0128]) == (240, 240, 2)


@pytest.mark.parametrize("keep", ["all", "safe"])
def test_exif_that_cannot_be_taken_apart_is_kept_whole_or_left_out(sink: Path, keep: Metadata) -> None:
    broken = raw_exif((0x010F, 2, b"x\0"), gps=(0x0000, 2, b"N\0"))
    encode(_picture(exif=b"Exif\0\0" + bytes(8) if keep == "safe" else broken), sink, "png", 92, keep, ignore)
    with Image.open(sink) as image:
        assert ("exif" in image.info) == (keep == "all")


def test_a_jpeg_refuses_transparency_and_takes_what_is_opaque(sink: Path) -> None:
    with pytest.raises(BadRequest, match="png or webp"):
        encode(_picture("RGBA"), sink, "jpeg", 92, "all", ignore)
    assert not sink.exists()
    opaque = _picture("RGBA").pixels.copy()
    opaque[:, :, 3] = 255
    encode(Picture(opaque), sink, "jpeg", 92, "all", ignore)
    assert decode(sink).pixels.shape == (24, 40, 3)


def test_a_higher_quality_is_nearer_to_the_picture(sink: Path) -> None:
    def miss(quality: int) -> float:
        encode(_picture(), sink, "jpeg", quality, "all", ignore)
        return float(np.abs(decode(sink).pixels.astype(int) - _picture().pixels).mean())

    assert miss(95) < miss(50)


@pytest.mark.parametrize("name", FORMATS)
def test_a_full_disk_is_disk_full_and_leaves_nothing(sink: Path, name: OutputFormat) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("only Linux has /dev/full")
    sink.symlink_to("/dev/full")
    with pytest.raises(DiskFull):
        encode(_picture(), sink, name, 92, "all", ignore)
    assert not sink.is_symlink()
    assert Path("/dev/full").exists()


def test_a_png_is_watched_as_it_is_written_and_stops_where_it_is_told_to(sink: Path) -> None:
    pixels = np.random.default_rng(5).integers(0, 256, (1600, 1000, 3), dtype=np.uint8)
    shares: list[float] = []
    written = encode(Picture(pixels), sink, "png", 92, "all", shares.append)
    assert len(shares) > 4
    assert shares == sorted(shares)
    assert shares[-1] == 1

    def stop(share: float) -> None:
        if share > 0.5:
            raise Cancelled("enough")

    with pytest.raises(Cancelled):
        encode(Picture(pixels), sink, "png", 92, "all", stop)
    assert written.size > 0
    assert not sink.exists()


@pytest.mark.parametrize(("name", "side"), [("webp", 16_384), ("jpeg", 65_501)])
def test_a_side_longer_than_the_format_holds_is_too_large(sink: Path, name: OutputFormat, side: int) -> None:
    with pytest.raises(ImageTooLarge, match=f"cannot be more than {side - 1} pixels"):
        encode(Picture(np.zeros((1, side, 1), np.uint8)), sink, name, 92, "all", ignore)
    assert not sink.exists()
