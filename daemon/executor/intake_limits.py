"""What a picture may be, before anything of it is decoded: input is hostile.

A leaf module: the intake child checks files by it and the daemon checks what it is told, so that both say the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from daemon.errors import ImageTooLarge

HARMLESS_BYTES: Final = 64 << 20  # flat art packs without end, and so much is no danger to anybody


@dataclass(frozen=True)
class IntakeLimits:
    max_pixels: int  # of all frames together
    max_frames: int = 1000
    max_ratio: int = 2000  # bytes unpacked for each byte of the file, where they are more than is harmless

    def require_size(self, width: int, height: int, frames: int = 1) -> None:
        """Raises ImageTooLarge over too many frames, or too many pixels in all of them."""
        if frames > self.max_frames:
            raise ImageTooLarge(f"the picture has {frames} frames; the limit is {self.max_frames}")
        total = width * height * frames
        if total > self.max_pixels:
            times = f" in {frames} frames" if frames > 1 else ""
            pixels = f"{width} x {height}{times}, {total / 1e6:.0f} megapixels"
            raise ImageTooLarge(f"the picture is {pixels}; the limit is {self.max_pixels / 1e6:.0f}")

    def require_ratio(self, unpacked_bytes: int, file_bytes: int) -> None:
        """Raises ImageTooLarge over a file that unpacks to far more than a picture of its size would."""
        if unpacked_bytes > HARMLESS_BYTES and unpacked_bytes > self.max_ratio * file_bytes:
            sizes = f"a file of {file_bytes} bytes to {unpacked_bytes >> 20} MiB"
            raise ImageTooLarge(
                f"the picture unpacks from {sizes}; the limit is {self.max_ratio} times the file's size"
            )
