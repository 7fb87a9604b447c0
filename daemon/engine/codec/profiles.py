"""Inks to light: CMYK becomes sRGB, since every device that shows the result, and our filters, work in light."""

from __future__ import annotations

import io
from functools import lru_cache

import numpy as np
from PIL import Image, ImageCms


@lru_cache(maxsize=1)
def srgb() -> bytes:
    """An sRGB profile (IEC 61966-2-1), as LittleCMS makes it."""
    return bytes(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())


def from_cmyk(image: Image.Image) -> Image.Image:
    """A CMYK picture in sRGB, by its own profile: relative colorimetric, black point compensated, as is usual for
    photographs. One without a profile, or with none that can be used, says nothing of its inks: they take away light
    one after another then.
    """
    profile = image.info.get("icc_profile")
    if profile:
        try:
            seen = ImageCms.profileToProfile(
                image,
                io.BytesIO(profile),
                io.BytesIO(srgb()),
                renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
                outputMode="RGB",
                flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
            )
        except (ImageCms.PyCMSError, OSError):
            pass
        else:
            assert seen is not None  # it is not done in place
            return seen
    inks = np.asarray(image)
    left = 255 - inks[:, :, 3:].astype(np.uint16)
    light = ((255 - inks[:, :, :3]) * left + 127) // 255
    return Image.fromarray(light.astype(np.uint8))
