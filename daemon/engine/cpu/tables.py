"""Light by table: the working value of every sample, exact, and the samples of finely divided working values."""

from __future__ import annotations

from functools import lru_cache
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from daemon.engine.color import from_light, to_light
from daemon.engine.resampling import Light

# The steepest curve is linear light near black, 12.92: half a step of 1/32767 is then 0.05 of a level. Of a photo's
# samples one in 200 is rounded the other way in linear light, and one in 500 in sigmoid light. 4096 entries were up to
# 0.4 of a level off, and no faster; a polynomial of degree 9 took as long as the table and was 0.5 of a level off.
ENCODE_ENTRIES: Final = 1 << 15
DEPTHS: Final = 2  # 8 and 16 bits

Table = TypeVar("Table", NDArray[np.uint8], NDArray[np.float32])


def _fixed(table: Table) -> Table:
    table.setflags(write=False)  # it is cached, and shared by all engines
    return table


@lru_cache(maxsize=DEPTHS * len(Light))
def decode_table(light: Light, white: int = 255) -> NDArray[np.float32]:
    """Working light of the samples 0 to `white`, (white + 1,)."""
    return _fixed(to_light(np.arange(white + 1) / white, light).astype(np.float32))


@lru_cache(maxsize=len(Light))
def interpolated_table(light: Light) -> NDArray[np.float32]:
    """Encoded values 0 to 1 of working values 0 to 1, evenly spaced, to be interpolated between; empty for gamma light.

    Between two entries the curves bend by 0.02 of a level of 65535 at most, where sRGB's straight piece ends.
    """
    if light is Light.GAMMA:
        return _fixed(np.empty(0, np.float32))
    values = np.arange(ENCODE_ENTRIES) / (ENCODE_ENTRIES - 1)
    return _fixed(from_light(values, light).astype(np.float32))


@lru_cache(maxsize=len(Light))
def encode_table(light: Light) -> NDArray[np.uint8]:
    """Bytes of working values 0 to 1, evenly spaced; empty for gamma light, whose values are bytes but for a factor."""
    if light is Light.GAMMA:
        return _fixed(np.empty(0, np.uint8))
    values = np.arange(ENCODE_ENTRIES) / (ENCODE_ENTRIES - 1)
    return _fixed(np.rint(255 * from_light(values, light)).astype(np.uint8))
