"""Whether a picture file is all there, which its header alone does not tell: nothing is decoded."""

from __future__ import annotations

import mmap
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from PIL import Image

from daemon.engine.codec.png.chunks import chunks_in
from daemon.errors import BrokenImage

MARKER: Final = 0xFF
START_OF_SCAN: Final = 0xDA
END_OF_IMAGE: Final = b"\xff\xd9"
# tags of TIFF 6.0: where strips or tiles start, and how long they are
PIECES: Final = ((273, 279), (324, 325))
BMP_PIXELS_AT: Final = slice(10, 14)
BMP_BITS_AT: Final = slice(28, 30)
BMP_COMPRESSION_AT: Final = slice(30, 34)
BMP_PLAIN: Final = frozenset({0, 3, 6})  # rows as they are, by masks or not
BOX_HEAD: Final = 8
BOX_IS_LONG: Final = 1
BOX_TO_THE_END: Final = 0


def require_whole(image: Image.Image, path: Path) -> None:
    """Raises BrokenImage over a file that ends too early, or a PNG whose checksums do not match."""
    check = _CHECKS.get(image.format or "")
    if check is None:  # a GIF may lack its end, and most readers do not mind
        return
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as view:
        whole = check(view, image)
    if not whole:
        raise BrokenImage("the picture is cut off before its end")


def _png(view: mmap.mmap, _image: Image.Image) -> bool:
    for kind, start, end in chunks_in(view):
        # Pillow checks no pixels against their checksums; chunks of small letters are not needed to show the picture
        if kind[:1].isupper() and zlib.crc32(memoryview(view)[start - 4 : end]) != int.from_bytes(view[end : end + 4]):
            raise BrokenImage("the picture is damaged: a checksum in it does not match")
        if kind == b"IEND":
            return True
    return False


def _jpeg(view: mmap.mmap, _image: Image.Image) -> bool:
    # Segments up to the first scan, thumbnails and all; then an end marker anywhere, since cameras append further
    # pictures and videos behind it. Inside a scan the marker cannot occur.
    at = 2
    while at + 4 <= len(view):
        marker = view[at + 1]
        if view[at] != MARKER or marker == MARKER:
            at += 1
        elif marker == START_OF_SCAN:
            return view.find(END_OF_IMAGE, at) >= 0
        else:
            at += 2 + int.from_bytes(view[at + 2 : at + 4])
    return False


def _webp(view: mmap.mmap, _image: Image.Image) -> bool:
    return len(view) >= 8 + int.from_bytes(view[4:8], "little")


def _tiff(view: mmap.mmap, image: Any) -> bool:
    for starts, sizes in PIECES:
        for start, size in zip(image.tag_v2.get(starts, ()), image.tag_v2.get(sizes, ()), strict=False):
            if start + size > len(view):
                return False
    return True


def _bmp(view: mmap.mmap, image: Image.Image) -> bool:
    if int.from_bytes(view[BMP_COMPRESSION_AT], "little") not in BMP_PLAIN:
        return True  # runs: only a decoder knows where they end
    row_bytes = (image.width * int.from_bytes(view[BMP_BITS_AT], "little") + 31) // 32 * 4
    return len(view) >= int.from_bytes(view[BMP_PIXELS_AT], "little") + row_bytes * image.height


def _boxes(view: mmap.mmap, _image: Image.Image) -> bool:
    """ISO base media (ISO/IEC 14496-12, section 4.2): boxes one behind the other."""
    at = 0
    while at + BOX_HEAD <= len(view):
        size = int.from_bytes(view[at : at + 4])
        if size == BOX_TO_THE_END:
            return True
        if size == BOX_IS_LONG:
            size = int.from_bytes(view[at + 8 : at + 16])
        if size < BOX_HEAD or at + size > len(view):
            return False
        at += size
    return True


_CHECKS: Final[Mapping[str, Callable[[mmap.mmap, Any], bool]]] = {
    "PNG": _png,
    "JPEG": _jpeg,
    "MPO": _jpeg,
    "WEBP": _webp,
    "TIFF": _tiff,
    "BMP": _bmp,
    "AVIF": _boxes,
    "HEIF": _boxes,
}
