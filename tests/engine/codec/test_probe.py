from __future__ import annotations

import struct
import tracemalloc
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from daemon.engine.codec.decode import decode
from daemon.engine.codec.formats import channels
from daemon.engine.codec.probe import _webp_size, probe
from daemon.errors import BrokenImage, ImageTooLarge, ProEngineError, UnsupportedFormat
from daemon.executor.intake_limits import IntakeLimits
from tests.engine.codec.pictures import chunk, exif, noise, packed, png, save, with_chunk

MANY = IntakeLimits(1_000_000)
LARGE = IntakeLimits(100_000_000)
XMP = '<rdf:Description xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="6"/>'
WHOLE = {
    "png": save(noise(), "PNG", exif=exif(orientation=6)),
    "jpeg": save(noise(), "JPEG", exif=exif(orientation=6)),
    "progressive": save(noise(), "JPEG", progressive=True),
    "vp8": save(noise(), "WEBP"),
    "vp8l": save(noise(), "WEBP", lossless=True),
    "vp8x": save(noise("RGBA"), "WEBP", exif=exif(orientation=6)),
    "tiff": save(noise(), "TIFF"),
    "tiff lzw": save(noise(), "TIFF", compression="tiff_lzw"),
    "bmp": save(noise(), "BMP"),
    "avif": save(noise(), "AVIF"),
}


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("probe") / "picture"


@pytest.mark.parametrize("kind", WHOLE)
def test_a_header_says_what_pillow_says(file: Path, kind: str) -> None:
    file.write_bytes(WHOLE[kind])
    header = probe(file, MANY)
    with Image.open(file) as image:
        sideways = image.getexif().get(0x0112) == 6
        assert (header.width, header.height) == (image.size[::-1] if sideways else image.size)
        assert (header.format, header.mode) == (image.format, image.mode)
    assert header.has_alpha == (kind == "vp8x")


@given(kind=st.sampled_from(sorted(WHOLE)), cut=st.integers(0, 100_000))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_file_cut_off_anywhere_is_refused_in_words(file: Path, kind: str, cut: int) -> None:
    whole = WHOLE[kind]
    file.write_bytes(whole[: cut % len(whole)])
    try:
        found = probe(file, MANY)
    except (BrokenImage, UnsupportedFormat):
        return
    file.write_bytes(whole)
    assert found == probe(file, MANY)


@given(kind=st.sampled_from(sorted(WHOLE)), at=st.integers(0, 400), byte=st.integers(0, 255))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_damaged_byte_leads_to_a_header_or_to_an_error_of_ours(file: Path, kind: str, at: int, byte: int) -> None:
    content = bytearray(WHOLE[kind])
    content[at % len(content)] = byte
    file.write_bytes(content)
    for read in (lambda: probe(file, MANY), lambda: decode(file)):
        try:
            read()
        except ProEngineError:
            continue


def test_a_tiff_whose_numbers_overflow_the_decoders_integers_is_broken(file: Path) -> None:
    """Found by the test above: Pillow raises OverflowError."""
    content = bytearray(WHOLE["tiff"])
    content[21] = 128
    file.write_bytes(content)
    with pytest.raises(BrokenImage):
        decode(file)


@pytest.mark.parametrize("kind", ["jpeg", "progressive"])
def test_bytes_behind_the_end_of_a_jpeg_are_none_of_our_business(file: Path, kind: str) -> None:
    file.write_bytes(WHOLE[kind] + b"\0" * 1000 + b"a video")
    assert probe(file, MANY).format == "JPEG"


def test_a_jpeg_with_a_second_picture_behind_it_is_the_first(file: Path) -> None:
    first, second = noise(), noise(size=(10, 10))
    file.write_bytes(save(first, "MPO", save_all=True, append_images=[second]))
    header = probe(file, MANY)
    assert (header.format, header.width, header.height) == ("JPEG", 40, 24)
    assert decode(file).pixels.shape == (24, 40, 3)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF", "AVIF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_headers_size_is_that_of_the_decoded_picture(file: Path, kind: str, orientation: int) -> None:
    file.write_bytes(save(noise(), kind, exif=exif(orientation=orientation)))
    header = probe(file, MANY)
    assert (header.height, header.width) == decode(file).pixels.shape[:2]
    assert (header.width, header.height) == ((40, 24) if orientation < 5 else (24, 40))


def test_an_orientation_behind_the_pixels_of_a_png_counts_in_both(file: Path) -> None:
    """The specification lets eXIf stand there; a header that overlooks it would have the result squeezed."""
    whole, end = save(noise(), "PNG"), chunk(b"IEND", b"")
    file.write_bytes(whole.removesuffix(end) + chunk(b"eXIf", exif(orientation=6)[6:]) + end)
    header = probe(file, MANY)
    assert (header.height, header.width) == decode(file).pixels.shape[:2] == (40, 24)


@pytest.mark.parametrize("behind", [False, True])
def test_an_orientation_in_the_xmp_of_a_png_counts_in_both(file: Path, behind: bool) -> None:
    text = PngInfo()
    text.add_itxt("XML:com.adobe.xmp", XMP)
    if behind:
        whole, end = save(noise(), "PNG"), chunk(b"IEND", b"")
        body = b"XML:com.adobe.xmp\0\0\0\0\0" + XMP.encode()
        file.write_bytes(whole.removesuffix(end) + chunk(b"iTXt", body) + end)
    else:
        file.write_bytes(save(noise(), "PNG", pnginfo=text))
    header = probe(file, MANY)
    assert (header.height, header.width) == decode(file).pixels.shape[:2]


def test_probing_a_png_decodes_none_of_it(file: Path) -> None:
    file.write_bytes(png(4000, 4000, rows=b"\0" * 4000 * 12_001))
    tracemalloc.start()
    probe(file, LARGE)
    assert tracemalloc.get_traced_memory()[1] < 2 << 20
    tracemalloc.stop()
    file.write_bytes(png(64, 48, rows=b"nonsense"))  # only a decoder would notice
    assert probe(file, MANY).width == 64


@pytest.mark.parametrize("content", [b"", b"<html>", b"GIF89a" + bytes(20), b"BM" + bytes(60)])
def test_what_is_no_picture_of_ours_is_refused(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    with pytest.raises((UnsupportedFormat, BrokenImage) if content else BrokenImage):
        probe(file, MANY)


def test_the_content_counts_and_not_the_name(tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    path.write_bytes(WHOLE["png"])
    assert probe(path, MANY).format == "PNG"


def _webp_header(chunk: bytes, body: bytes) -> bytes:
    content = b"WEBP" + chunk + struct.pack("<I", len(body)) + body
    return b"RIFF" + struct.pack("<I", len(content)) + content


BOMBS = {
    "png": png(2**31 - 1, 2**31 - 1),
    "jpeg": WHOLE["progressive"].replace(struct.pack(">HH", 24, 40), struct.pack(">HH", 65_500, 65_500), 1),
    "vp8x": _webp_header(b"VP8X", bytes(4) + b"\xff" * 6),
    "vp8l": _webp_header(b"VP8L", b"\x2f\xff\xff\xff\x0f" + bytes(9)),
    "vp8": _webp_header(b"VP8 ", b"\0\0\0\x9d\x01\x2a\xff\x3f\xff\x3f"),
}


@pytest.mark.parametrize("kind", BOMBS)
def test_a_header_of_too_many_pixels_is_refused_before_anything_is_made(file: Path, kind: str) -> None:
    file.write_bytes(BOMBS[kind])
    tracemalloc.start()
    with pytest.raises(ImageTooLarge):
        probe(file, LARGE)
    assert tracemalloc.get_traced_memory()[1] < 2 << 20
    tracemalloc.stop()


@given(width=st.integers(1, 300), height=st.integers(1, 300), kind=st.sampled_from(["vp8", "vp8l", "vp8x"]))
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_size_that_we_read_of_a_webp_is_pillows(file: Path, width: int, height: int, kind: str) -> None:
    options = {"lossless": True} if kind == "vp8l" else {"exif": exif(orientation=1)} if kind == "vp8x" else {}
    image = Image.new("RGB", (width, height))
    file.write_bytes(save(image, "WEBP", **options))
    assert file.read_bytes()[12:16] == {"vp8": b"VP8 ", "vp8l": b"VP8L", "vp8x": b"VP8X"}[kind]
    assert _webp_size(file) == (width, height)


def test_pngsuite_is_decoded_or_refused_in_words_and_its_broken_files_are_refused(shared_images: Path) -> None:
    files = sorted((shared_images / "awkward" / "pngsuite").glob("*.png"))
    if not files:
        pytest.skip("PngSuite is not here")
    for path in files:
        try:
            header = probe(path, MANY)
            pixels = decode(path).pixels
        except ProEngineError:
            continue
        assert not path.name.startswith("x"), path.name
        assert (header.height, header.width) == pixels.shape[:2]


def test_a_png_whose_pixels_do_not_match_their_checksum_is_refused(file: Path) -> None:
    """Pillow reads past it, and a flipped bit may still decode."""
    content = bytearray(WHOLE["png"])
    content[-13] ^= 1  # the last byte of the checksum of IDAT, before the 12 bytes of IEND
    file.write_bytes(content)
    with pytest.raises(BrokenImage, match="checksum"):
        probe(file, MANY)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "transparent"])
def test_what_a_picture_unpacks_to_is_what_is_decoded(file: Path, mode: str) -> None:
    """The ratio that it is judged by is that of the bytes which a worker will hold."""
    image = noise("P" if mode == "transparent" else mode)
    file.write_bytes(save(image, "PNG", **({"transparency": 3} if mode == "transparent" else {})))
    with Image.open(file) as opened:
        assert opened.width * opened.height * channels(opened) == decode(file).pixels.nbytes


def _flat(form: str) -> bytes:
    """9000 x 9000 pixels of nothing: 77 MiB of grey, packed beyond what a photograph can be."""
    if form == "PNG":
        return png(9000, 9000, depth=1, color=0, rows=bytes(9000 * 1126))
    return save(Image.new("RGB", (9000, 9000)), form, lossless=True, method=0)


@pytest.mark.parametrize("form", ["PNG", "WEBP"])
def test_a_file_that_unpacks_to_thousands_of_times_its_size_is_refused_in_words(file: Path, form: str) -> None:
    file.write_bytes(_flat(form))
    with pytest.raises(ImageTooLarge, match=r"unpacks from a file of \d+ bytes to \d+ MiB; the limit is 2000 times"):
        probe(file, LARGE)
    assert probe(file, replace(LARGE, max_ratio=10**9)).width == 9000


def test_flat_art_that_unpacks_to_no_more_than_is_harmless_is_let_in(file: Path) -> None:
    file.write_bytes(png(8000, 8000, depth=1, color=0, rows=bytes(8000 * 1001)))
    assert probe(file, replace(LARGE, max_ratio=1)).width == 8000


def _animation(form: str, frames: int, side: int = 16) -> bytes:
    colors = [(83 * number % 256, 31 * number % 256, 0) for number in range(frames)]  # frames that are alike are merged
    first, *others = (Image.new("RGB", (side, side), color) for color in colors)
    return save(first, form, save_all=True, append_images=others, duration=1)


@pytest.mark.parametrize("form", ["PNG", "WEBP"])
def test_more_frames_than_are_allowed_are_too_many_whatever_their_size(file: Path, form: str) -> None:
    file.write_bytes(_animation(form, 12))
    with pytest.raises(ImageTooLarge, match="12 frames; the limit is 11"):
        probe(file, replace(MANY, max_frames=11))


@pytest.mark.parametrize("form", ["PNG", "WEBP"])
def test_the_limit_on_pixels_counts_those_of_all_frames(file: Path, form: str) -> None:
    file.write_bytes(_animation(form, 12, side=100))
    with pytest.raises(ImageTooLarge, match=r"100 x 100 in 12 frames"):
        probe(file, IntakeLimits(119_999))
    assert probe(file, IntakeLimits(120_000)).frames == 12


def test_a_frame_count_that_is_a_lie_is_believed(file: Path) -> None:
    """Nobody looks for the frames of an animation before it is known that so many are allowed."""
    control = chunk(b"acTL", struct.pack(">II", 2**31 - 1, 0))
    file.write_bytes(with_chunk(WHOLE["png"], control))
    with pytest.raises(ImageTooLarge, match="frames"):
        probe(file, MANY)


@pytest.mark.parametrize("kind", [b"zTXt", b"iTXt", b"iCCP"])
def test_a_chunk_that_unpacks_without_end_is_refused_before_it_has(file: Path, kind: bytes) -> None:
    file.write_bytes(with_chunk(WHOLE["png"], packed(kind, 200 << 20)))
    tracemalloc.start()
    with pytest.raises(ImageTooLarge):
        probe(file, MANY)
    assert tracemalloc.get_traced_memory()[1] < 64 << 20
    tracemalloc.stop()


def test_the_bombs_made_for_this_are_refused_before_anything_is_made_of_them(shared_images: Path) -> None:
    bombs = sorted((shared_images / "awkward" / "bombs_synth").iterdir())
    if not bombs:
        pytest.skip("the folder of bombs is empty")
    narrow = {"tall_1x1000000.png", "wide_1000000x1.png"}  # odd, and a megapixel each
    for path in bombs:
        tracemalloc.start()
        if path.name in narrow:
            assert max(probe(path, LARGE).width, probe(path, LARGE).height) == 1_000_000
        else:
            with pytest.raises((ImageTooLarge, UnsupportedFormat, BrokenImage)):
                probe(path, LARGE)
        assert tracemalloc.get_traced_memory()[1] < 64 << 20, path.name
        tracemalloc.stop()
