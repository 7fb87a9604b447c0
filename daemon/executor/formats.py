"""The formats that come in and go out, by every name they have: values that cross borders, and no code of a format."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Final, Literal

from daemon.errors import BadRequest, ImageTooLarge

SourceFormat = Literal["PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF", "AVIF", "HEIF"]
OutputFormat = Literal["png", "jpeg", "webp", "tiff", "avif"]
HEIF_DECODER: Final = "pi_heif"  # the extra `heic`
NO_PICTURE: Final = "this is not a PNG, JPEG, WebP, TIFF, BMP, GIF, AVIF or HEIC picture"


@dataclass(frozen=True)
class FormatFacts:
    media_type: str
    ending: str
    most_side: int  # pixels
    most_pixels: int | None = None
    animated: bool = False
    says_dpi: bool = False  # dots an inch

    def require_size(self, width: int, height: int) -> None:
        """Raises ImageTooLarge over a picture that the format cannot hold."""
        name = self.media_type.removeprefix("image/")
        if max(width, height) > self.most_side:
            raise ImageTooLarge(f"{name} cannot be more than {self.most_side} pixels a side")
        if self.most_pixels and width * height > self.most_pixels:
            raise ImageTooLarge(f"{name} cannot be more than {self.most_pixels / 1e6:.0f} megapixels")

    def require_dpi(self) -> None:
        """Raises BadRequest where the format cannot say how many dots an inch a picture has."""
        if not self.says_dpi:
            raise BadRequest(
                f"{self.media_type.removeprefix('image/')} cannot say dots an inch: ask for png, jpeg or tiff"
            )

    def require_frames(self, frames: int) -> None:
        """Raises BadRequest over an animation that the format, or our writing of it, cannot hold."""
        if frames > 1 and not self.animated:
            raise BadRequest(f"{self.media_type.removeprefix('image/')} holds no animation: ask for png or webp")


# How long a side each format can hold; of PNG and TIFF, which could hold 2**31 - 1, what anybody can open. A side costs
# far more than its pixels (filters, bands), and a picture of a hundred bytes may be millions of pixels high. Of
# JPEG, which could hold 35 more, and AVIF, what libjpeg and libavif open unless they are built or told otherwise.
FACTS: Final[Mapping[OutputFormat, FormatFacts]] = {
    "png": FormatFacts("image/png", "png", 1_000_000, animated=True, says_dpi=True),
    "jpeg": FormatFacts("image/jpeg", "jpg", 65_500, says_dpi=True),
    "webp": FormatFacts("image/webp", "webp", 16_383, animated=True),
    "tiff": FormatFacts("image/tiff", "tif", 1_000_000, says_dpi=True),
    "avif": FormatFacts("image/avif", "avif", 32_768, 16_384 * 16_384),
}
# By what files and media types are called.
OUTPUT_NAMED: Final[Mapping[str, OutputFormat]] = {
    **{name: name for name in FACTS},
    "jpg": "jpeg",
    "tif": "tiff",
}
SOURCE_NAMED: Final[Mapping[str, SourceFormat]] = {
    "png": "PNG",
    "jpeg": "JPEG",
    "jpg": "JPEG",
    "webp": "WEBP",
    "tiff": "TIFF",
    "tif": "TIFF",
    "bmp": "BMP",
    "gif": "GIF",
    "avif": "AVIF",
    "heic": "HEIF",
    "heif": "HEIF",
}


def same_format(source: SourceFormat, *, has_alpha: bool) -> OutputFormat:
    """The output format that is the source's own, or nearest to it: nothing is lost on the way, and what a phone makes
    of a photograph stays as small as a photograph.
    """
    if source == "HEIF" and not has_alpha:
        return "jpeg"
    return OUTPUT_NAMED.get(source.lower(), "png")


def sources() -> list[str]:
    """What can be read here, by the names of files: HEIC's decoder is installed or not, the others come with us."""
    names = ["png", "jpeg", "webp", "tiff", "bmp", "gif", "avif"]
    return [*names, "heic"] if find_spec(HEIF_DECODER) else names
