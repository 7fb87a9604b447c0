"""What a job needs of a worker, tiles and memory, as the worker tells it of itself: integers and no pixels.

A leaf module: the engine cuts pictures by the very rules that it tells, and the daemon counts by them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import BaseModel, ConfigDict

Size = tuple[int, int]  # width and height in pixels


class Need(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


def span_size(n_in: int, n_out: int, most: int, align: int = 1) -> int:
    """The length of the even spans that an axis is cut into; the last may be shorter.

    Each makes at most `most` samples, and where the axis is reduced, reads about as many at most.

    Raises:
        ValueError: where spans that short cannot start at multiples of `align`.
    """
    if most < align:
        raise ValueError(f"spans of {most} samples cannot start at multiples of {align}")
    if n_out < n_in:
        most = max(most * n_out // n_in, align)
    count = -(-n_out // (most - most % align))
    return -(-n_out // (count * align)) * align


class GridTiles(Need):
    """Tiles of at most `most` output pixels, their columns at multiples of `align`."""

    how: Literal["grid"] = "grid"
    most: Size
    align: int

    def count(self, size: Size, out_size: Size, _channels: int) -> int:
        """Tiles that resizing a picture takes."""
        columns = span_size(size[0], out_size[0], self.most[0], self.align)
        rows = span_size(size[1], out_size[1], self.most[1])
        return -(-out_size[0] // columns) * -(-out_size[1] // rows)


class BandTiles(Need):
    """Bands of whole rows, sized for caches, threads and a quick cancel."""

    how: Literal["bands"] = "bands"
    threads: int
    per_thread: int  # bands at least, so that threads end at about the same time
    scratch_samples: int  # source rows of a band times channels
    band_samples: int  # of the result, at most
    least_rows: int

    def rows(self, size: Size, out_size: Size, channels: int) -> int:
        """Rows of every band but the last."""
        in_scratch = self.scratch_samples // channels * out_size[1] // size[1]
        width = max(out_size[0], size[0] * size[1] // out_size[1])  # of what is read and written for one row
        quick = self.band_samples // (width * channels)
        fair = -(-out_size[1] // (self.threads * self.per_thread))
        # each band reads some rows of the next again: as many as would make this many
        least = max(self.least_rows * min(size[1], out_size[1]) // size[1], 1)
        return max(min(in_scratch, quick, fair), least)

    def count(self, size: Size, out_size: Size, channels: int) -> int:
        """Bands that resizing a picture takes."""
        return -(-out_size[1] // self.rows(size, out_size, channels))


class Footprint(Need):
    """Bytes that a worker holds at its fullest. Pairs are for pictures without and with transparency, a pixel."""

    idle_bytes: int  # before a job, with what one tile takes
    decode: tuple[float, float]  # of the source, while it is decoded
    encode: Mapping[str, tuple[float, float]]  # of the result, by its format, beside the pixels themselves

    def peak_bytes(self, size: Size, out_size: Size, output: str, *, has_alpha: bool, steps: int = 1) -> int:
        """What one job makes of it: the decoder's peak or the encoder's, when source and result are both held.

        Of several `steps` each holds what it reads and what it writes in 16 bits, beside the source.
        """
        channels = 4 if has_alpha else 3
        source, result = size[0] * size[1], out_size[0] * out_size[1]
        encode = source * channels + result * (channels + self.encode[output][has_alpha])
        wide = source * channels + 2 * channels * (result + max(source, result)) if steps > 1 else 0
        return self.idle_bytes + round(max(source * self.decode[has_alpha], encode, wide))
