"""Where foreign errors become ours: every call into wgpu stands inside `device_errors`.

wgpu-py 0.32 has no usable `device.lost`: its callback, like every error that belongs to no call, only writes to the
logger `wgpu`. `LossWatch` listens there, and what it hears counts as a lost device.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Self

from daemon.errors import DeviceFailed, OutOfMemory, ProEngineError


@contextmanager
def device_errors(doing: str) -> Iterator[None]:
    """Turn whatever wgpu raises into `OutOfMemory` or `DeviceFailed`, saying what was being done.

    It raises GPUError and its kin, RuntimeError, OSError, TypeError and cffi's errors, so all are taken alike.
    """
    try:
        yield
    except ProEngineError:
        raise
    except MemoryError as error:  # wgpu's GPUOutOfMemoryError is one
        raise OutOfMemory(f"no memory for {doing}: {error}") from error
    except Exception as error:
        if "not enough memory" in str(error).lower() or "out of memory" in str(error).lower():
            raise OutOfMemory(f"no memory for {doing}: {error}") from error
        raise DeviceFailed(f"{doing} failed: {error}") from error


class LossWatch(logging.Handler):
    """Hears, while a job runs, the errors that wgpu reports outside of any call: the loss of a device among them.

    Not for an engine's whole life: the log does not say which device it means, and between the jobs of one engine
    another may be closed. A device lost meanwhile refuses the next job's first call.
    """

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self._heard: str | None = None

    def __enter__(self) -> Self:
        logging.getLogger("wgpu").addHandler(self)
        return self

    def __exit__(self, *_raised: object) -> None:
        logging.getLogger("wgpu").removeHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        self._heard = self._heard or record.getMessage()

    def check(self) -> None:
        """Raises DeviceFailed where an error has been heard."""
        if self._heard is not None:
            raise DeviceFailed(f"the device was lost: {self._heard}")
