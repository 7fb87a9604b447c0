"""Getting at the compiled kernels: numba is imported here and nowhere earlier, and its cache is put where it may be.

Compiling takes some four seconds and reading the cache a third of one, numba's own import included. Without a call of
`prepare`, and with any fault of the cache, kernels are compiled in memory and the engine works as well.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
import threading
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, Generic, Protocol, TypeVar

from daemon.errors import DeviceFailed
from daemon.quick_imports import as_if_missing, uncollected

if TYPE_CHECKING:
    from daemon.engine.cpu.filters import FilterKernel
    from daemon.engine.cpu.kernels import BandKernel
    from daemon.engine.cpu.png_filter import PngFilterKernel
    from daemon.engine.cpu.polar import PolarKernel

CACHE_VARIABLE: Final = "NUMBA_CACHE_DIR"
Kernel_co = TypeVar("Kernel_co", covariant=True)


class Compile(Protocol[Kernel_co]):
    def __call__(self, *, cached: bool) -> Kernel_co: ...


def prepare(cache_dir: Path) -> bool:
    """Have kernels compiled from now on kept below `cache_dir`; call it before an engine is made.

    The folder must be the user's own: what numba reads from it is unpickled. Returns whether it can be written; where
    it cannot, kernels are compiled in memory.
    """
    try:
        folder = cache_dir / "kernels" / _sources_digest()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
        _remove_emptied(folder)
    except OSError:
        os.environ.pop(CACHE_VARIABLE, None)
        return False
    os.environ[CACHE_VARIABLE] = str(folder)
    return True


def _remove_emptied(folder: Path) -> None:
    """What a power cut has left of files that numba had not flushed: it can neither read nor replace them, and each
    worker would compile for half a minute.
    """
    for file in folder.rglob("*.nb[ci]"):
        if not file.stat().st_size:
            file.unlink(missing_ok=True)


def _sources_digest() -> str:
    # Numba looks at the size and date of the one file that holds the outermost kernel; an installer may well give the
    # files of every version the same date.
    # Constants of the engine's other modules are compiled in as well.
    here = Path(__file__).parent
    sources = sorted(here.glob("*.py")) + sorted(here.parent.glob("*.py"))
    return hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()[:16]


class Loader(Generic[Kernel_co]):
    """A kernel that is loaded once, for whoever asks first; others wait for that one and for no other kernel."""

    def __init__(self, compile_it: Compile[Kernel_co]) -> None:
        self._compile_it = compile_it
        self._lock = threading.Lock()
        self._kernel: Kernel_co | None = None

    def load(self) -> Kernel_co:
        """Raises as `_load` does."""
        if self._kernel is None:
            with self._lock:
                if self._kernel is None:
                    self._kernel = _load(self._compile_it)
        return self._kernel

    def forget(self) -> None:
        self._kernel = None


def _compile_band(*, deep: bool, cached: bool) -> BandKernel:
    from daemon.engine.cpu.kernels import compile_band

    return compile_band(deep=deep, cached=cached)


def _compile_polar(*, deep: bool, cached: bool) -> PolarKernel:
    from daemon.engine.cpu.polar import compile_polar

    return compile_polar(deep=deep, cached=cached)


def _compile_filter(*, cached: bool) -> FilterKernel:
    from daemon.engine.cpu.filters import compile_filter

    return compile_filter(cached=cached)


def _compile_png_filter(*, cached: bool) -> PngFilterKernel:
    from daemon.engine.cpu.png_filter import compile_png_filter

    return compile_png_filter(cached=cached)


BAND: Final = {deep: Loader(partial(_compile_band, deep=deep)) for deep in (False, True)}
POLAR: Final = {deep: Loader(partial(_compile_polar, deep=deep)) for deep in (False, True)}
FILTER: Final = Loader(_compile_filter)
PNG_FILTER: Final = Loader(_compile_png_filter)


def load_band(*, deep: bool = False) -> BandKernel:
    """The band kernel for samples of 8 bits, or of 16 where `deep`. Raises as `_load` does."""
    return BAND[deep].load()


def load_polar(*, deep: bool = False) -> PolarKernel:
    """The kernel of the polar filters, likewise."""
    return POLAR[deep].load()


def load_filter() -> FilterKernel:
    """The kernel of the passes that keep a picture's size, likewise."""
    return FILTER.load()


def load_png_filter() -> PngFilterKernel:
    """The kernel of the PNG filters. Raises as `_load` does."""
    return PNG_FILTER.load()


def load_all() -> None:
    """Every kernel, so that the cache has them. Raises as `_load` does."""
    for deep in (False, True):
        load_band(deep=deep)
        load_polar(deep=deep)
    load_filter()
    load_png_filter()


def _load(compile_it: Compile[Kernel_co]) -> Kernel_co:
    """A kernel, from the cache where there is one, else compiled (some seconds).

    Raises:
        DeviceFailed: numba cannot be imported, or cannot compile here.
    """
    try:
        with as_if_missing("cffi"), uncollected():
            import numba
    except ImportError as error:
        raise DeviceFailed(f"the CPU engine needs numba, which cannot be imported: {error}") from error
    if CACHE_VARIABLE in os.environ:
        numba.config.CACHE_DIR = os.environ[CACHE_VARIABLE]  # where numba had been imported before `prepare`
        try:
            with as_if_missing("cffi"):  # whose types numba would know: a tenth of a second
                return compile_it(cached=True)
        except Exception:  # noqa: BLE001, S110 - a full, broken or foreign cache raises anything; compiling in memory mends it
            pass
    try:
        return compile_it(cached=False)
    except Exception as error:
        raise DeviceFailed(f"the CPU engine's kernels cannot be compiled here: {error}") from error
