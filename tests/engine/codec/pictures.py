"""Picture files for tests of the codec, as bytes."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from daemon.engine.codec.decode import Picture
from daemon.engine.codec.encode import Written, require_holdable
from daemon.engine.codec.encode import encode as encode_rows
from daemon.engine.rows import Whole
from daemon.executor.formats import OutputFormat
from daemon.executor.messages import Metadata

SOUND = b"\x89PNG\r\n\x1a\n"


def noise(mode: str = "RGB", size: tuple[int, int] = (40, 24)) -> Image.Image:
    """Every pixel differs from its neighbours."""
    random = np.random.default_rng(7)
    rgba = random.integers(0, 256, (size[1], size[0], 4), dtype=np.uint8)
    if mode == "RGBA":
        return Image.fromarray(rgba)
    return Image.fromarray(rgba if mode == "LA" else rgba[:, :, :3].copy()).convert(mode)


def save(image: Image.Image, name: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, name, **options)
    return file.getvalue()


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(width: int, height: int, depth: int = 8, color: int = 2, rows: bytes = b"") -> bytes:
    head = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, 0)
    return SOUND + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def exif(**tags: int) -> bytes:
    """EXIF with an orientation, and a place where `gps` is asked for."""
    made = Image.Exif()
    if "orientation" in tags:
        made[0x0112] = tags["orientation"]
    if "gps" in tags:
        made[0x010F] = "a camera"
        made[0x8769] = {0x927C: b"the place again", 0x9003: "2026:01:02 03:04:05"}
        made[0x8825] = {1: "N", 2: (52.0, 31.0, 12.0)}
    return made.tobytes()


def raw_exif(*entries: tuple[int, int, bytes], gps: tuple[int, int, bytes] | None = None) -> bytes:
    """EXIF that no library would write. An entry is a tag, a type, and at most four bytes of value."""

    def folder(those: Sequence[tuple[int, int, bytes]]) -> bytes:
        rows = [struct.pack(">HHI", tag, kind, 1) + value.ljust(4, b"\0") for tag, kind, value in those]
        return struct.pack(">H", len(rows)) + b"".join(rows) + bytes(4)

    own = [*entries]
    if gps is not None:
        own.append((0x8825, 4, struct.pack(">I", 8 + len(folder([*own, (0, 0, b"")])))))
    return b"Exif\0\0MM\0*\0\0\0\x08" + folder(own) + (folder([gps]) if gps else b"")


def packed(kind: bytes, size: int) -> bytes:
    """A chunk of a PNG whose text or profile unpacks to `size` bytes."""
    heads = {b"zTXt": b"Comment\0\0", b"iCCP": b"profile\0\0", b"iTXt": b"Comment\0\x01\0\0\0"}
    return chunk(kind, heads[kind] + zlib.compress(bytes(size), 9))


def with_chunk(whole: bytes, extra: bytes, *, behind: bool = False) -> bytes:
    """A PNG with one more chunk, in front of its pixels or behind them."""
    place = -12 if behind else len(SOUND) + 25
    return whole[:place] + extra + whole[place:]


def encode(
    picture: Picture,
    path: Path,
    name: OutputFormat,
    quality: int,
    keep_metadata: Metadata,
    on_share: Callable[[float], None],
    *,
    dpi: float | None = None,
) -> Written:
    """A picture that is there, asked as a job asks before its work."""
    require_holdable(picture.pixels, name)
    return encode_rows(Whole(picture.pixels), picture, path, name, quality, keep_metadata, on_share, dpi=dpi)
