"""Pixels and what travels with them to a picture file that is on disk when this returns."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final, cast

import numpy as np
from PIL import Image

from daemon.engine.codec.decode import Picture
from daemon.engine.codec.dither import to_eight_bits
from daemon.engine.codec.formats import OUTPUT, RGBA
from daemon.engine.codec.journal import Journal, forget
from daemon.engine.codec.jpeg.write import Sampling, write_jpeg
from daemon.engine.codec.metadata import Kept, kept
from daemon.engine.codec.png.chunks import travelling
from daemon.engine.codec.png.write import write_png
from daemon.engine.codec.sink import Sink
from daemon.engine.codec.tiff.write import write_tiff
from daemon.engine.cpu.processor import core_count
from daemon.engine.rows import Changed, Rows
from daemon.engine.upscaler import Pixels
from daemon.errors import BadRequest, DiskFull, SetAside
from daemon.executor.formats import FACTS, OutputFormat
from daemon.executor.messages import Metadata

FULL_CHROMA_QUALITY: Final = 90  # from here on JPEG and AVIF keep colour at full resolution
AVIF_SPEED: Final = 8  # of 10: a photograph at speed 6 takes twice as long to be a twentieth smaller
EIGHT: Final = 8


@dataclass(frozen=True)
class Written:
    size: int
    sha256: str


def encode(
    rows: Rows,
    source: Picture,
    path: Path,
    name: OutputFormat,
    quality: int,
    keep_metadata: Metadata,
    on_share: Callable[[float], None],
    *,
    dpi: float | None = None,
    journal: Journal | None = None,
) -> Written:
    """Write `rows`, made of `source`, as format `name` and force it to disk. 16 bits become 8 where the format has no
    more, dithered. Whether it can hold the transparency of `source` is asked before, by `require_holdable`.

    What travels is that of `source`; `dpi`, dots an inch, stands in place of its own. `on_share` gets the share done, 0
    to 1, as the encoder goes (WebP's and AVIF's give all at once); what it raises stops it. With a `journal`, which is
    for formats whose encoders take strips, it goes on where one before it was stopped, and first tells where that is.

    Raises:
        ImageTooLarge: the format cannot hold that many pixels.
        DiskFull: no space was left.
    """
    height, width, _ = rows.shape
    FACTS[name].require_size(width, height)
    along = kept(source, name, keep_metadata, (width, height), dpi)
    with durable(path, journal) as file:
        sink = Sink(file, journal)
        on_share(sink.rows / height)
        _write(sink, _as_held(rows, name), along, name, quality, on_share)
    return Written(sink.size, sink.sha256)


@contextmanager
def durable(path: Path, journal: Journal | None = None) -> Iterator[BinaryIO]:
    """A new file at `path`, or with a `journal` one that may have been begun, on disk when this ends. Whatever is
    raised but SetAside, nothing is left. Raises DiskFull.
    """
    try:
        with path.open("w+b") if journal is None else journal.opened(path) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
    except SetAside:
        raise
    except BaseException as error:
        forget(path)
        if not isinstance(error, OSError):
            raise
        raise DiskFull(f"the result could not be written: {error.strerror or error}") from error


def _write(
    sink: Sink, rows: Rows, along: Kept, name: OutputFormat, quality: int, on_share: Callable[[float], None]
) -> None:
    if name == "tiff":
        write_tiff(sink, rows, along, core_count(), on_share)
    elif name == "jpeg":
        write_jpeg(sink, rows, along, quality, _sampling(quality), core_count(), on_share)
    elif name == "png":
        write_png(sink, rows, b"".join(travelling(**asdict(along))), core_count(), on_share)
    else:
        _save(rows.take(0, rows.shape[0]), sink, name, _options(along, name, quality))


def require_holdable(pixels: Pixels, name: OutputFormat) -> None:
    """Raises BadRequest over transparency that the format cannot hold, before any work is done for nothing."""
    transparent = pixels.shape[2] == RGBA and pixels[:, :, 3].min() != np.iinfo(pixels.dtype).max
    if transparent and not OUTPUT[name].alpha:
        raise BadRequest(f"{name} cannot hold transparency, which this picture has: ask for png or webp")


def _as_held(rows: Rows, name: OutputFormat) -> Rows:
    """The rows as the format can hold them."""
    rules, channels = OUTPUT[name], rows.shape[2]
    if rows.dtype == np.uint16 and rules.bits == EIGHT:
        dithered = cast("Callable[[Pixels, int], Pixels]", to_eight_bits)
        rows = Changed(rows, channels, np.dtype(np.uint8), dithered)
    if channels == RGBA and not rules.alpha:
        rows = Changed(rows, 3, rows.dtype, lambda pixels, _top: np.ascontiguousarray(pixels[:, :, :3]))
    return rows


def _save(pixels: Pixels, sink: Sink, name: OutputFormat, options: dict[str, Any]) -> None:
    image = Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)
    image.save(cast("BinaryIO", sink), name, **options)  # it asks of a file no more than to be written to


def _options(along: Kept, name: OutputFormat, quality: int) -> dict[str, Any]:
    """Of Pillow's encoders, which are those of WebP and AVIF."""
    options = {key: value for key, value in asdict(along).items() if value} | {"quality": quality}
    if name == "avif":
        subsampling = {"444": "4:4:4", "420": "4:2:0"}[_sampling(quality)]
        options |= {"subsampling": subsampling, "speed": AVIF_SPEED, "max_threads": core_count()}
    return options


def _sampling(quality: int) -> Sampling:
    return "444" if quality >= FULL_CHROMA_QUALITY else "420"
