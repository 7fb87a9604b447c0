"""What is to become of each file of ../shared/images/awkward, and a judge of pictures that knows none of our code."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

import imagecodecs
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

with contextlib.suppress(ImportError):  # the extra `heic`
    import pi_heif

    pi_heif.register_heif_opener()

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Fate:
    """A right picture, or an error of one of `codes`, or either of them."""

    picture: bool
    codes: frozenset[str] = frozenset()


def refused(*codes: str) -> Fate:
    return Fate(picture=False, codes=frozenset(codes))


RIGHT = Fate(picture=True)
UNSUPPORTED = refused("unsupported_format")
BROKEN = refused("broken_image")
TOO_LARGE = refused("image_too_large")
# headers that lie: it depends on what is looked at first
UNREADABLE = refused("unsupported_format", "broken_image")
OVERSIZED = refused("image_too_large", "broken_image")
# what is not in the table may be anything, as long as it is one thing or the other
ANY = Fate(picture=True, codes=UNREADABLE.codes | OVERSIZED.codes | {"bad_request", "upload_too_large"})

# By path below awkward/; the first that fits.
FATES: Mapping[str, Fate] = {
    "*/LICENSE*": UNSUPPORTED,
    "*/README*": UNSUPPORTED,
    "*.txt": UNSUPPORTED,
    "avif/*.png": RIGHT,
    "avif/*.alpha-*": BROKEN,  # two properties of a kind, which the standard forbids: libavif refuses them
    "avif/*-with-alpha.avifs": BROKEN,
    "avif/*.avif": RIGHT,
    "avif/*-8bpc.avifs": refused("bad_request"),  # animated, and no AVIF of ours is
    "avif/*.avifs": UNSUPPORTED,  # animated, of more than 8 bits
    "heic/16x17000.avif": Fate(picture=True, codes=TOO_LARGE.codes),  # doubled it is more than an AVIF may be high
    "heic/*": RIGHT,
    "bombs_synth/bmp_*": OVERSIZED,
    "bombs_synth/gif_*": OVERSIZED,
    "bombs_synth/tiff_*": OVERSIZED,
    "bombs_synth/*.svg*": UNSUPPORTED,
    "bombs_synth/html_named.png": UNSUPPORTED,
    "bombs_synth/empty.png": BROKEN,
    "bombs_synth/hdr_zero_0x0.png": UNREADABLE,
    "bombs_synth/hdr_only_2147483647x2147483647.png": OVERSIZED,
    "bombs_synth/bomb_*": TOO_LARGE,
    "bombs_synth/jpeg_header_65500x65500.jpg": OVERSIZED,
    "bombs_synth/webp_max_16383x16383.webp": OVERSIZED,
    "bombs_synth/iccp_128MB.png": OVERSIZED,
    "bombs_synth/ztxt_256MB.png": OVERSIZED,
    "bombs_synth/tall_1x1000000.png": Fate(picture=True, codes=TOO_LARGE.codes),  # a megapixel, of an odd shape
    "bombs_synth/wide_1000000x1.png": Fate(picture=True, codes=TOO_LARGE.codes),
    "exif-orientation/*.jpg": RIGHT,
    "icc-wide-gamut/*.jpg": RIGHT,
    "icc-wide-gamut/*.png": RIGHT,
    "jpeg_zune/incomplete_image.jpg": BROKEN,
    "jpeg_zune/*": RIGHT,
    "mozjpeg/testorig12.jpg": UNSUPPORTED,  # 12 bits
    "mozjpeg/*.jpg": RIGHT,
    "mozjpeg/*.bmp": RIGHT,
    "mozjpeg/*": UNSUPPORTED,
    "pngsuite/x*": UNREADABLE,
    "pngsuite/*.png": RIGHT,
    "realesrgan_inputs/*": RIGHT,
}

# Turns what is stored into what is to be seen, by the value of EXIF's orientation.
TURNS: Mapping[int, Callable[[Pixels], Pixels]] = {
    2: np.fliplr,
    3: lambda stored: np.rot90(stored, 2),
    4: np.flipud,
    5: lambda stored: np.swapaxes(stored, 0, 1),
    6: lambda stored: np.rot90(stored, -1),
    7: lambda stored: np.swapaxes(np.rot90(stored, 2), 0, 1),
    8: lambda stored: np.rot90(stored, 1),
}
ORIENTATION = 0x0112
DEPTH_AT, SIXTEEN = 24, 16  # of a PNG
# Mean differences in levels of 255. We filter in linear light and Pillow in encoded values, which shows at every edge:
# a picture of a few pixels, or one of few colours that was dithered, has nothing else. A channel, a row or a turn that
# is wrong makes tens.
MOST_OFF = 3.0
MOST_OFF_TINY = 8.0
MOST_OFF_ALPHA = 1.0
TINY = 128 * 128


def fate_of(path: str) -> Fate:
    return next((fate for pattern, fate in FATES.items() if fnmatchcase(path, pattern)), ANY)


def faults(source: bytes, result: bytes, scale: float) -> list[str]:
    """What is wrong with a result, beside Pillow's own decoding of the source, enlarged by Pillow's own Lanczos."""
    with Image.open(io.BytesIO(source)) as stored, Image.open(io.BytesIO(result)) as got:
        upright = Image.fromarray(_turned(stored, source))
        wide, high = (max(round(scale * side), 1) for side in upright.size)
        if got.size != (wide, high):
            return [f"{got.size[0]} x {got.size[1]} pixels in place of {wide} x {high}"]
        found = []
        if got.getexif().get(ORIENTATION) in TURNS:
            found.append("it would be turned a second time")
        if stored.mode != "CMYK" and got.info.get("icc_profile") != stored.info.get("icc_profile"):
            found.append("the colour profile is another")
        if _has_alpha(got) != _has_alpha(stored):
            found.append("transparency came or went")
        want = np.asarray(upright.convert("RGBa").resize(got.size, Image.Resampling.LANCZOS), np.int16)
        off = np.abs(want - np.asarray(Image.fromarray(_seen(got, result)).convert("RGBa"), np.int16)).mean(axis=(0, 1))
        if max(off[:3]) > (MOST_OFF_TINY if upright.width * upright.height <= TINY else MOST_OFF):
            found.append(f"red, green and blue are off by {off[:3]}")
        if off[3] > MOST_OFF_ALPHA:
            found.append(f"transparency is off by {off[3]}")
        return found


def _has_alpha(image: Image.Image) -> bool:
    return image.mode in {"LA", "PA", "RGBA"} or "transparency" in image.info


def _turned(stored: Image.Image, content: bytes) -> Pixels:
    orientation = stored.getexif().get(ORIENTATION, 1)
    pixels = _seen(stored, content)
    turn = TURNS.get(orientation)
    return np.ascontiguousarray(turn(pixels) if turn else pixels)


def _seen(image: Image.Image, content: bytes) -> Pixels:
    """RGBA of eight bits, as it looks."""
    if image.mode == "CMYK":
        return np.asarray(_from_inks(image).convert("RGBA"))
    if image.format == "PNG" and content[DEPTH_AT] == SIXTEEN:  # Pillow clips grey, and compares halves for tRNS
        samples = imagecodecs.png_decode(content) // 257
        samples = samples if samples.ndim == 3 else samples[:, :, None]
        opaque = np.full((*samples.shape[:2], 1), 255, samples.dtype)
        alpha = samples[:, :, -1:] if samples.shape[2] in {2, 4} else opaque
        colours = samples[:, :, :3] if samples.shape[2] > 2 else samples[:, :, [0, 0, 0]]
        return np.concatenate([colours, alpha], axis=2).astype(np.uint8)
    return np.asarray(image.convert("RGBA"))


def _from_inks(image: Image.Image) -> Image.Image:
    profile = image.info.get("icc_profile")
    if profile:
        light = ImageCms.profileToProfile(
            image, io.BytesIO(profile), ImageCms.createProfile("sRGB"), ImageCms.Intent.RELATIVE_COLORIMETRIC, "RGB"
        )
        assert light is not None
        return light
    inks = np.asarray(image).astype(float)
    light = (255 - inks[:, :, :3]) * (255 - inks[:, :, 3:]) / 255
    return Image.fromarray(np.rint(light).astype(np.uint8))
