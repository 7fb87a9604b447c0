"""Every kind of picture that comes in, and every format that goes out, by decoders that are none of ours."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import imagecodecs
import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image, ImageCms

from daemon.engine.codec.decode import Picture, decode
from daemon.engine.codec.probe import probe
from daemon.engine.codec.profiles import srgb
from daemon.engine.upscaler import Pixels
from daemon.errors import BadRequest, UnsupportedFormat
from daemon.executor.formats import FACTS, OutputFormat
from daemon.executor.intake_limits import IntakeLimits
from tests.engine.codec.pictures import encode, noise, save

MANY = IntakeLimits(1_000_000)
LOSSY: Final = ("jpeg", "webp", "avif")
SIZE: Final = (24, 40)


def random(shape: tuple[int, ...], white: int = 65535) -> NDArray[np.uint16]:
    return np.random.default_rng(11).integers(0, white, shape, dtype=np.uint16, endpoint=True)


def smooth(channels: int, depth: type[np.unsignedinteger]) -> Pixels:
    """What a lossy format keeps: slopes, and an alpha that is one."""
    white = np.iinfo(depth).max
    y, x = np.mgrid[0:96, 0:128] / np.array([95.0, 127.0])[:, None, None]
    planes = [x, y, (x + y) / 2, 0.3 + 0.7 * x][: channels if channels != 4 else 4]
    return (np.stack(planes, axis=-1) * white).astype(depth)


def tiff(samples: NDArray[Any], **options: Any) -> bytes:
    file = io.BytesIO()
    tifffile.imwrite(file, samples, **options)
    return file.getvalue()


def rgba(samples: NDArray[Any]) -> NDArray[Any]:
    """Grey and alpha as RGBA."""
    return samples[:, :, [0, 0, 0, 1]]


def one_axis_more(samples: NDArray[Any]) -> NDArray[Any]:
    return samples[:, :, None]


GREY, GREY_ALPHA, RGB, RGBA = random(SIZE), random((*SIZE, 2)), random((*SIZE, 3)), random((*SIZE, 4))
PLANES = np.ascontiguousarray(np.moveaxis(RGB, -1, 0))
TWELVE = random((*SIZE, 3), 4095)
DEEP: Final[Mapping[str, tuple[bytes | bytearray, NDArray[Any]]]] = {
    "png grey": (imagecodecs.png_encode(GREY), one_axis_more(GREY)),
    "png grey alpha": (imagecodecs.png_encode(GREY_ALPHA), rgba(GREY_ALPHA)),
    "png rgb": (imagecodecs.png_encode(RGB), RGB),
    "png rgba": (imagecodecs.png_encode(RGBA), RGBA),
    "tiff grey": (tiff(GREY, photometric="minisblack"), one_axis_more(GREY)),
    "tiff grey, white is zero": (tiff(GREY, photometric="miniswhite"), one_axis_more(65535 - GREY)),
    "tiff rgb": (tiff(RGB, photometric="rgb"), RGB),
    "tiff rgb, big-endian": (tiff(RGB, photometric="rgb", byteorder=">"), RGB),
    "tiff rgb, lzw": (tiff(RGB, photometric="rgb", compression="lzw", predictor=2), RGB),
    "tiff rgb, planes": (tiff(PLANES, photometric="rgb", planarconfig="separate"), RGB),
    "tiff rgb, tiles": (tiff(RGB, photometric="rgb", tile=(16, 16), compression="zlib"), RGB),
    "tiff rgba": (tiff(RGBA, photometric="rgb", extrasamples=["unassalpha"]), RGBA),
    "bigtiff rgb": (tiff(RGB, photometric="rgb", bigtiff=True), RGB),
}


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("formats") / "picture"


def ignore(_share: float) -> None:
    """Progress that nobody follows."""


@pytest.mark.parametrize("kind", DEEP)
def test_sixteen_bits_come_in_whole(file: Path, kind: str) -> None:
    content, expected = DEEP[kind]
    file.write_bytes(content)
    header, picture = probe(file, MANY), decode(file)
    assert picture.pixels.dtype == np.uint16
    assert np.array_equal(picture.pixels, expected)
    assert (header.width, header.height, header.bits) == (40, 24, 16)
    assert header.has_alpha == (expected.shape[2] == 4)


def test_colours_that_were_multiplied_by_alpha_are_divided_by_it(file: Path) -> None:
    alpha = RGBA[:, :, 3:].astype(np.float64) / 65535
    multiplied = np.concatenate([np.rint(RGBA[:, :, :3] * alpha), RGBA[:, :, 3:]], axis=2).astype(np.uint16)
    file.write_bytes(tiff(multiplied, photometric="rgb", extrasamples=["assocalpha"]))
    found = decode(file).pixels
    dense = RGBA[:, :, 3] > 20_000
    assert np.abs(found.astype(int) - RGBA)[dense].max() <= 2
    assert np.array_equal(found[:, :, 3], RGBA[:, :, 3])


@pytest.mark.parametrize(
    ("mode", "kind", "channels"),
    [
        *(("1", "TIFF", 1), ("L", "TIFF", 1), ("P", "TIFF", 3), ("RGB", "TIFF", 3), ("RGBA", "TIFF", 4)),
        *(("LA", "TIFF", 4), ("1", "BMP", 1), ("L", "BMP", 1), ("P", "BMP", 3), ("RGB", "BMP", 3)),
        ("P", "GIF", 3),
    ],
)
def test_eight_bits_come_in_as_pillow_sees_them(file: Path, mode: str, kind: str, channels: int) -> None:
    image = noise(mode)
    file.write_bytes(save(image, kind))
    header, picture = probe(file, MANY), decode(file)
    assert picture.pixels.shape == (24, 40, channels)
    assert (header.format, header.bits <= 8) == (kind, True)
    assert np.array_equal(picture.pixels.squeeze(), np.asarray(image.convert({1: "L", 3: "RGB", 4: "RGBA"}[channels])))


@pytest.mark.parametrize("compression", ["tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg"])
def test_a_tiff_comes_in_however_it_was_packed(file: Path, compression: str) -> None:
    file.write_bytes(save(noise(), "TIFF", compression=compression))
    probe(file, MANY)
    with Image.open(file) as image:
        assert np.array_equal(decode(file).pixels, np.asarray(image.convert("RGB")))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (tiff(np.zeros(SIZE, np.float32)), "floating"),
        (tiff(np.zeros((*SIZE, 3), np.float32), photometric="rgb"), "floating|not a PNG"),
        (tiff(np.zeros(SIZE, np.int16)), "floating|signed"),
        (tiff(np.zeros(SIZE, np.uint32)), "32-bit|floating"),
        (save(noise().convert("LAB"), "TIFF"), "Lab"),
        (tiff(random((3, *SIZE)), photometric="minisblack"), "pages"),
        (tiff(random((*SIZE, 4)), photometric="separated"), "grey or RGB|not a PNG"),
    ],
    ids=["float", "float rgb", "signed", "32 bits", "lab", "pages", "cmyk 16"],
)
def test_samples_that_would_have_to_be_guessed_at_are_refused_in_words(file: Path, content: bytes, reason: str) -> None:
    file.write_bytes(content)
    with pytest.raises(UnsupportedFormat, match=reason):
        probe(file, MANY)


def test_a_smaller_copy_behind_a_tiff_is_no_second_page(file: Path) -> None:
    made = io.BytesIO()
    with tifffile.TiffWriter(made) as writer:
        writer.write(RGB, photometric="rgb")
        writer.write(np.ascontiguousarray(RGB[::4, ::4]), photometric="rgb", subfiletype=1)
    file.write_bytes(made.getvalue())
    probe(file, MANY)
    assert np.array_equal(decode(file).pixels, RGB)


PATCHES: Final = [(0, 0, 0, 0), (255, 0, 0, 0), (0, 255, 0, 0), (0, 0, 255, 0), (0, 0, 0, 255), (40, 90, 10, 30)]


def patches(profile: bytes | None, kind: str = "TIFF") -> bytes:
    image = Image.new("CMYK", (len(PATCHES) * 8, 8))
    for place, ink in enumerate(PATCHES):
        image.paste(ink, (place * 8, 0, place * 8 + 8, 8))
    return save(image, kind, **({"icc_profile": profile} if profile else {}))


@pytest.mark.parametrize("kind", ["TIFF", "JPEG"])
def test_inks_without_a_profile_take_away_light_one_after_another(file: Path, kind: str) -> None:
    file.write_bytes(patches(None, kind))
    picture = decode(file)
    for place, (c, m, y, k) in enumerate(PATCHES):
        expected = [(255 - ink) * (255 - k) / 255 for ink in (c, m, y)]
        assert np.abs(picture.pixels[4, place * 8 + 4] - expected).max() <= (1 if kind == "TIFF" else 4), place
    assert picture.icc_profile == srgb()


def test_inks_with_a_profile_look_as_that_says(file: Path, shared_images: Path) -> None:
    """ΔE (CIE76) against LittleCMS's own way from the inks to Lab."""
    source = shared_images / "awkward" / "jpeg_zune" / "cymk.jpg"
    if not source.exists():
        pytest.skip("the CMYK picture of ../shared/images is not here")
    with Image.open(source) as image:
        profile = image.info.get("icc_profile")
        if not profile:
            pytest.skip("that picture has no profile")
        lab_profile = ImageCms.createProfile("LAB")
        own = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        intent, flags = ImageCms.Intent.RELATIVE_COLORIMETRIC, ImageCms.Flags.BLACKPOINTCOMPENSATION
        wanted = ImageCms.profileToProfile(image, own, lab_profile, intent, "LAB", flags=flags)
    picture = decode(source)
    seen = ImageCms.profileToProfile(
        Image.fromarray(picture.pixels), ImageCms.createProfile("sRGB"), lab_profile, intent, "LAB", flags=flags
    )
    assert wanted is not None
    assert seen is not None
    scale = np.array([100 / 255, 1, 1])
    off = (np.asarray(wanted).astype(np.int8).astype(float) - np.asarray(seen).astype(np.int8)) * scale
    assert np.median(np.sqrt((off**2).sum(axis=2))) < 1


JUDGES: Final[Mapping[OutputFormat, Callable[[bytes], Any]]] = {
    "png": imagecodecs.png_decode,
    "tiff": lambda content: tifffile.imread(io.BytesIO(content)),
    "jpeg": imagecodecs.jpeg_decode,
    "webp": imagecodecs.webp_decode,
    "avif": imagecodecs.avif_decode,
}


@pytest.mark.parametrize("name", FACTS)
@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("depth", [np.uint8, np.uint16])
def test_every_format_holds_what_it_was_given(
    file: Path, name: OutputFormat, channels: int, depth: type[np.unsignedinteger]
) -> None:
    """Exactly where it can, else as nearly as a lossy one does; seen by a decoder that is not ours."""
    pixels = smooth(channels, depth)
    if name == "jpeg" and channels == 4:
        with pytest.raises(BadRequest, match="transparency"):
            encode(Picture(pixels), file, name, 95, "all", ignore)
        return
    encode(Picture(pixels), file, name, 95, "all", ignore)
    found = np.asarray(JUDGES[name](file.read_bytes()))
    found = found if found.ndim == 3 else found[:, :, None]
    if name not in LOSSY:
        assert found.dtype == depth
        assert np.array_equal(found, pixels)
        return
    assert found.dtype == np.uint8
    wanted = pixels / (np.iinfo(depth).max / 255)
    assert np.abs(found[:, :, : wanted.shape[2]] - wanted).mean() < 1.5
    assert decode(file).pixels.shape[:2] == pixels.shape[:2]


def test_what_becomes_eight_bits_is_dithered_and_right_on_the_whole(file: Path) -> None:
    """A slope of two levels over 512 pixels: rounded, it would be three flat bands."""
    slope = np.linspace(100 * 257, 102 * 257, 512).astype(np.uint16)
    pixels = np.repeat(np.repeat(slope[None, :, None], 64, axis=0), 3, axis=2)
    encode(Picture(pixels), file, "webp", 100, "none", ignore)
    from daemon.engine.codec.dither import to_eight_bits

    made = to_eight_bits(pixels)[:, :, 0].astype(float)
    assert len(np.unique(made[:, 128])) > 1, "no band is flat"
    blocks = made.reshape(8, 8, 32, 16).mean(axis=(1, 3))
    wanted = (pixels[:, :, 0] / 257).reshape(8, 8, 32, 16).mean(axis=(1, 3))
    assert np.abs(blocks - wanted).max() < 0.1
    exact = (np.arange(256, dtype=np.uint16) * 257).reshape(16, 16, 1)
    assert np.array_equal(to_eight_bits(exact), (exact // 257).astype(np.uint8))


def test_a_tiff_keeps_profile_texts_place_and_resolution(file: Path) -> None:
    tags = Image.Exif()
    tags[0x010F] = "a camera"
    tags[0x8769] = {0x9003: "2026:01:02 03:04:05", 0xA002: 7, 0xA003: 5}
    tags[0x8825] = {1: "N", 2: (52.0, 31.0, 12.0)}
    pixels = smooth(3, np.uint16)
    picture = Picture(pixels, icc_profile=srgb(), exif=tags.tobytes(), xmp=b"<x/>", dpi=(300.0, 150.0))
    encode(picture, file, "tiff", 92, "all", ignore)
    again = decode(file)
    assert np.array_equal(again.pixels, pixels)
    assert (again.icc_profile, again.xmp, again.dpi) == (srgb(), b"<x/>", (300.0, 150.0))
    found = Image.Exif()
    found.load(again.exif or b"")
    assert found[0x010F] == "a camera"
    assert found.get_ifd(0x8769)[0x9003] == "2026:01:02 03:04:05"
    assert (found.get_ifd(0x8769)[0xA002], found.get_ifd(0x8769)[0xA003]) == (128, 96)
    assert found.get_ifd(0x8825)[1] == "N"


def test_a_tiff_beyond_four_gigabytes_is_a_bigtiff(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("daemon.engine.codec.tiff.write.MOST_CLASSIC", 1000)
    pixels = smooth(3, np.uint8)
    encode(Picture(pixels, icc_profile=srgb()), file, "tiff", 92, "all", ignore)
    with tifffile.TiffFile(file) as opened:
        assert opened.is_bigtiff
        assert np.array_equal(opened.asarray(), pixels)
    assert decode(file).icc_profile == srgb()


@pytest.mark.parametrize("name", ["fox.profile0.10bpc.yuv420.avif", "fox.profile2.12bpc.yuv422.avif"])
def test_an_avif_of_more_than_eight_bits_comes_in_with_all_of_them(shared_images: Path, name: str) -> None:
    path = shared_images / "awkward" / "avif" / name
    if not path.exists():
        pytest.skip("the AVIFs of ../shared/images are not here")
    pixels = decode(path).pixels
    assert pixels.dtype == np.uint16
    assert len(np.unique(pixels)) > 256
    assert pixels.max() == 65535
    with Image.open(path) as image:
        assert np.abs(pixels / 257 - np.asarray(image)).mean() < 2


def test_a_photograph_of_a_phone_comes_in_upright_with_its_profile(shared_images: Path) -> None:
    pytest.importorskip("pi_heif", reason="the extra `heic` is not installed")
    path = shared_images / "awkward" / "heic" / "heic-orientation-6.heic"
    if not path.exists():
        pytest.skip("the HEICs of ../shared/images are not here")
    header, picture = probe(path, IntakeLimits(100_000_000)), decode(path)
    assert (header.format, header.width, header.height) == ("HEIF", 3024, 4032)
    assert picture.pixels.shape == (4032, 3024, 3)
    assert picture.icc_profile
    tags = Image.Exif()
    tags.load(picture.exif or b"")
    assert tags.get(0x0112, 1) == 1


def test_without_its_decoder_a_heic_is_refused_with_the_way_to_get_it(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("daemon.engine.codec.pillow._heif_opener", lambda: False)
    file.write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(40))
    with pytest.raises(UnsupportedFormat, match=r"pro-engine\[heic\]"):
        probe(file, MANY)
