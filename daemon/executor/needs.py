"""What a job needs of a worker, tiles and memory, as the worker tells it of itself: integers and no pixels.

A leaf module: the engine cuts pictures by the very rules that it tells, and the daemon counts by them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict

STRIP_SAMPLES: Final = 1 << 25  # of a result: a strip costs its filter's reach again, and its threads an end
LEAST_STRIP: Final = 64  # rows
STRIPS_HELD: Final = 3  # one that is made, and what of others the encoder has not done with
STREAMED: Final = frozenset({"png", "jpeg", "tiff"})  # formats whose encoders take a result strip by strip
Size = tuple[int, int]  # width and height in pixels


class Need(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


def span_size(n_out: int, most: int, align: int = 1) -> int:
    """The length of the even spans, of at most `most` samples, that an axis is cut into; the last may be shorter.

    Raises:
        ValueError: where spans that short cannot start at multiples of `align`.
    """
    if most < align:
        raise ValueError(f"spans of {most} samples cannot start at multiples of {align}")
    count = -(-n_out // (most - most % align))
    return -(-n_out // (count * align)) * align


def most_of_span(n_in: int, n_out: int, most: int, align: int = 1) -> int:
    """Samples that a span may make, so that it makes no more than `most`, nor reads many more where it is reduced."""
    return most if n_out >= n_in else max(most * n_out // n_in, align)


def strips(out_size: Size, channels: int) -> list[range]:
    """Rows of a result that are made, and handed to the encoder, one strip after the other."""
    rows = max(STRIP_SAMPLES // (out_size[0] * channels), LEAST_STRIP)
    return [range(start, min(start + rows, out_size[1])) for start in range(0, out_size[1], rows)]


def resumes(output: str, out_size: Size) -> bool:
    """Whether a job is worth a journal: of a result in strips, what is finished of it is kept when the job stops."""
    return output in STREAMED and len(strips(out_size, 3)) > 1


class GridTiles(Need):
    """Tiles of at most `most` output pixels, their columns at multiples of `align`."""

    how: Literal["grid"] = "grid"
    most: Size
    align: int

    def count(self, size: Size, out_size: Size, channels: int) -> int:
        """Tiles that resizing a picture takes."""
        most = most_of_span(size[0], out_size[0], self.most[0], self.align)
        columns = -(-out_size[0] // span_size(out_size[0], most, self.align))
        high = most_of_span(size[1], out_size[1], self.most[1])
        return sum(columns * -(-len(one) // span_size(len(one), high)) for one in strips(out_size, channels))


class BandTiles(Need):
    """Bands of whole rows, sized for caches, threads and a quick cancel."""

    how: Literal["bands"] = "bands"
    threads: int
    per_thread: int  # bands at least, so that threads end at about the same time
    scratch_samples: int  # source rows of a band times channels
    band_samples: int  # of the result, at most
    least_rows: int

    def rows(self, size: Size, out_size: Size, channels: int, strip: int) -> int:
        """Rows of every band but the last of a strip that is `strip` rows high."""
        in_scratch = self.scratch_samples // channels * out_size[1] // size[1]
        width = max(out_size[0], size[0] * size[1] // out_size[1])  # of what is read and written for one row
        quick = self.band_samples // (width * channels)
        fair = -(-strip // (self.threads * self.per_thread))
        # each band reads some rows of the next again: as many as would make this many
        least = max(self.least_rows * min(size[1], out_size[1]) // size[1], 1)
        return max(min(in_scratch, quick, fair), least)

    def count(self, size: Size, out_size: Size, channels: int) -> int:
        """Bands that resizing a picture takes."""
        heights = [len(one) for one in strips(out_size, channels)]
        return sum(-(-height // self.rows(size, out_size, channels, height)) for height in heights)


class Footprint(Need):
    """Bytes that a worker holds at its fullest. Pairs are for pictures without and with transparency, a pixel."""

    idle_bytes: int  # before a job, with what one tile takes
    decode: tuple[float, float]  # of the source, while it is decoded
    encode: Mapping[str, tuple[float, float]]  # of the result, by its format, beside the pixels themselves

    def peak_bytes(self, size: Size, out_size: Size, output: str, *, has_alpha: bool, steps: int = 1) -> int:
        """What one job makes of it: the decoder's peak or the encoder's, when source and result are both held.

        Of several `steps` each holds what it reads and what it writes in 16 bits, beside the source. A streaming
        encoder has some strips of the result, and no other all of it.
        """
        channels = 4 if has_alpha else 3
        source, result = size[0] * size[1] * channels, out_size[0] * out_size[1] * channels
        strip = min(result, STRIPS_HELD * STRIP_SAMPLES)
        held = strip if output in STREAMED else result
        encode = source + held + held // channels * self.encode[output][has_alpha]
        wide = 5 * source + 5 * min(result, STRIP_SAMPLES) if steps > 1 else 0
        decode = size[0] * size[1] * self.decode[has_alpha]
        return self.idle_bytes + round(max(decode, encode, wide))
