"""The formats that may come in and go out: an allow-list, and what each can hold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

# Pillow's names. Every further decoder is attack surface, so each is let in by name.
DECODERS: Final = ("PNG", "JPEG", "WEBP")
# Pillow modes that the 8-bit pipeline holds without loss; others are refused until it can.
MODES: Final = frozenset({"1", "L", "LA", "P", "PA", "RGB", "RGBA"})


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
