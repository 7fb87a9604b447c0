"""The formats that may come in and go out: an allow-list, and what each can hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

# Pillow's names. Every further decoder is attack surface, so each is let in by name.
DECODERS: Final = ("PNG", "JPEG", "WEBP")
RGBA_CHANNELS: Final = 4
# Pillow modes that the 8-bit pipeline holds without loss, and bytes a pixel of each once decoded; others are refused
# until it can. A colour that stands for transparency makes RGBA of every mode.
CHANNELS: Final[Mapping[str, int]] = {
    **dict.fromkeys(("1", "L"), 1),
    **dict.fromkeys(("P", "RGB"), 3),
    **dict.fromkeys(("LA", "PA", "RGBA"), RGBA_CHANNELS),
}
MODES: Final = frozenset(CHANNELS)


@dataclass(frozen=True)
class OutputRules:
    """What a format is called by Pillow, and whether it can hold transparency."""

    pillow_name: str
    alpha: bool


OUTPUT: Final = {
    "png": OutputRules("PNG", alpha=True),
    "jpeg": OutputRules("JPEG", alpha=False),
    "webp": OutputRules("WEBP", alpha=True),
}
