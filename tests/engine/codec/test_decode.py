from __future__ import annotations

import contextlib
import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from daemon.engine.codec.decode import decode
from daemon.errors import BrokenImage, ImageTooLarge, ProEngineError, UnsupportedFormat
from tests.engine.codec.pictures import exif, noise, packed, raw_exif, save, with_chunk


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("decode") / "picture"


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_pixels_come_as_they_were_written(file: Path, mode: str, kind: str) -> None:
    image = noise(mode)
    file.write_bytes(save(image, kind, **({"lossless": True, "exact": True} if kind == "WEBP" else {})))
    expected = np.asarray(image.convert("RGB") if (kind, mode) == ("WEBP", "L") else image)
    assert np.array_equal(decode(file).pixels, expected.reshape(24, 40, -1))


@pytest.mark.parametrize(("mode", "channels"), [("1", 1), ("L", 1), ("LA", 4), ("P", 3), ("RGB", 3), ("RGBA", 4)])
def test_every_mode_becomes_grey_rgb_or_rgba(file: Path, mode: str, channels: int) -> None:
    image = noise(mode)
    file.write_bytes(save(image, "PNG"))
    pixels = decode(file).pixels
    assert pixels.shape == (24, 40, channels)
    assert pixels.dtype == np.uint8
    assert np.array_equal(pixels.squeeze(), np.asarray(image.convert({1: "L", 3: "RGB", 4: "RGBA"}[channels])))


@pytest.mark.parametrize("mode", ["L", "P", "RGB"])
def test_a_colour_that_stands_for_transparent_becomes_alpha(file: Path, mode: str) -> None:
    image = noise(mode)
    transparent = image.getpixel((3, 2))
    file.write_bytes(save(image, "PNG", transparency=transparent))
    alpha = decode(file).pixels[:, :, 3]
    assert alpha[2, 3] == 0
    assert alpha.max() == 255


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF", "AVIF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_picture_is_turned_upright_and_says_so(file: Path, kind: str, orientation: int) -> None:
    file.write_bytes(save(noise(), kind, exif=exif(orientation=orientation)))
    picture = decode(file)
    with Image.open(file) as image:
        assert np.array_equal(picture.pixels, np.asarray(ImageOps.exif_transpose(image)))
    if picture.exif:
        tags = Image.Exif()
        tags.load(picture.exif)
        assert tags.get(0x0112, 1) == 1


@pytest.mark.parametrize("with_exif", [False, True])
def test_xmp_does_not_turn_an_upright_picture_once_more(file: Path, with_exif: bool) -> None:
    xmp = b'<rdf:Description xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="6" tiff:Make="x"/>'
    file.write_bytes(save(noise(), "JPEG", xmp=xmp, exif=exif(orientation=6) if with_exif else b""))
    picture = decode(file)
    assert picture.pixels.shape == (40, 24, 3)
    assert b"Orientation" not in (picture.xmp or b"")
    assert b"tiff:Make" in (picture.xmp or b"")


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_exif_that_is_none_costs_no_picture(file: Path, kind: str) -> None:
    file.write_bytes(save(noise(), kind, exif=b"Exif\0\0garbage! garbage!"))
    picture = decode(file)
    assert picture.pixels.shape == (24, 40, 3)
    assert picture.exif is None


ASCII, RATIONAL = 2, 10


@pytest.mark.parametrize("orientation", [1, 6])
@pytest.mark.parametrize(
    "parts",
    [
        {"gps": (0x0000, ASCII, b"N\0")},  # a version that is text: some programs write it so
        {"make": (0x010F, RATIONAL, struct.pack(">I", 8))},
    ],
    ids=["gps", "make"],
)
def test_exif_that_can_be_read_and_not_written_still_turns_the_picture(
    file: Path, orientation: int, parts: dict[str, tuple[int, int, bytes]]
) -> None:
    """Found by mutation: three workers in a row died of it."""
    upright = (0x0112, 3, struct.pack(">H", orientation))
    make = [parts["make"]] if "make" in parts else []
    tags = Image.Exif()
    tags.load(broken := raw_exif(*make, upright, gps=parts.get("gps")))
    assert tags[0x0112] == orientation
    with pytest.raises((TypeError, AttributeError)):
        tags.tobytes()
    file.write_bytes(save(noise(), "JPEG", exif=broken))
    picture = decode(file)
    assert picture.pixels.shape == ((24, 40, 3) if orientation == 1 else (40, 24, 3))
    assert picture.exif is None


def test_profile_and_resolution_travel_with_the_pixels(file: Path) -> None:
    file.write_bytes(save(noise(), "JPEG", icc_profile=b"a profile", dpi=(300, 150)))
    picture = decode(file)
    assert (picture.icc_profile, picture.dpi) == (b"a profile", (300, 150))


@pytest.mark.parametrize("kind", ["ICO", "PPM", "TGA", "JPEG2000", "PCX"])
def test_decoders_that_are_not_on_the_list_are_not_asked(file: Path, kind: str) -> None:
    file.write_bytes(save(noise(), kind))
    with pytest.raises(UnsupportedFormat):
        decode(file)


@given(kind=st.sampled_from(["PNG", "JPEG", "WEBP", "TIFF", "BMP", "AVIF"]), cut=st.integers(0, 100_000))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_picture_cut_off_before_its_pixels_end_is_refused_in_words(file: Path, kind: str, cut: int) -> None:
    whole = save(noise(), kind)
    file.write_bytes(whole[: cut % (len(whole) - 20)])
    with pytest.raises((BrokenImage, UnsupportedFormat)):
        decode(file)


@given(kind=st.sampled_from(["PNG", "JPEG", "WEBP"]), block=st.binary(max_size=80))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_exif_whatever_is_in_it_leads_to_an_error_that_is_not_ours(file: Path, kind: str, block: bytes) -> None:
    file.write_bytes(save(noise(), kind, exif=b"Exif\0\0MM\0*\0\0\0\x08" + block))
    with contextlib.suppress(ProEngineError):
        decode(file)


@pytest.mark.parametrize("behind", [False, True])
@pytest.mark.parametrize("kind", [b"zTXt", b"iTXt", b"iCCP"])
def test_a_chunk_that_unpacks_without_end_is_refused_before_it_has(file: Path, kind: bytes, behind: bool) -> None:
    file.write_bytes(with_chunk(save(noise(), "PNG"), packed(kind, 200 << 20), behind=behind))
    tracemalloc.start()
    with pytest.raises(ImageTooLarge, match="unpack to over 16 MiB"):
        decode(file)
    assert tracemalloc.get_traced_memory()[1] < 64 << 20
    tracemalloc.stop()


def test_many_chunks_that_unpack_to_a_little_each_are_refused_before_they_are_a_lot(file: Path) -> None:
    file.write_bytes(with_chunk(save(noise(), "PNG"), packed(b"zTXt", 8 << 20) * 100))
    tracemalloc.start()
    with pytest.raises(ImageTooLarge):
        decode(file)
    assert tracemalloc.get_traced_memory()[1] < 128 << 20
    tracemalloc.stop()


def test_the_profile_of_a_calibrated_screen_is_no_bomb(file: Path) -> None:
    file.write_bytes(with_chunk(save(noise(), "PNG"), packed(b"iCCP", 3 << 20)))
    assert decode(file).icc_profile == bytes(3 << 20)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr"])
def test_band_by_band_is_what_it_is_at_once(file: Path, monkeypatch: pytest.MonkeyPatch, mode: str) -> None:
    rgba = noise("RGBA", (40, 37))
    image = rgba.convert("RGB").convert("CMYK") if mode == "CMYK" else rgba.convert("LA" if mode == "LA" else "RGB")
    image = rgba if mode in {"RGBA", "PA"} else image
    if mode not in {image.mode, "PA"}:
        image = image.convert(mode)
    if mode == "PA":  # a palette with transparency, as GIF and PNG have it
        image = rgba.convert("P")
        image.info["transparency"] = 3
    name = {"CMYK": "TIFF", "YCbCr": "JPEG"}.get(mode, "PNG")
    file.write_bytes(save(image.convert("RGB") if mode == "YCbCr" else image, name))
    whole = decode(file).pixels
    monkeypatch.setattr("daemon.engine.codec.decode.BAND_PIXELS", 40 * 5)
    assert np.array_equal(decode(file).pixels, whole)
