"""Importing is cheap, a cache is used where there is one, and no fault of cache or numba does more than it must."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from daemon.engine.cpu import compiled, kernels
from daemon.engine.cpu.upscaler import CpuUpscaler
from daemon.engine.resampling import Resampling
from daemon.errors import DeviceFailed

ROOT = Path(__file__).parents[3]
SOURCE = np.random.default_rng(2).integers(0, 256, (9, 9, 3), dtype=np.uint8)


@pytest.fixture
def forgotten(monkeypatch: pytest.MonkeyPatch, engine: CpuUpscaler) -> pytest.MonkeyPatch:
    """`load_band` has its work before it again; afterwards the environment is as it was."""
    compiled.BAND[False].forget()
    monkeypatch.setenv(compiled.CACHE_VARIABLE, os.environ[compiled.CACHE_VARIABLE])
    return monkeypatch


def run(code: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    environment.pop(compiled.CACHE_VARIABLE, None)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    return done.stdout.strip()


def test_importing_the_engine_does_not_import_numba() -> None:
    assert run("import sys, daemon.engine.cpu.upscaler; print('numba' in sys.modules)") == "False"


def test_prepare_makes_the_folder_and_names_it(forgotten: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert compiled.prepare(tmp_path / "cache")
    folder = Path(os.environ[compiled.CACHE_VARIABLE])
    assert folder.is_dir()
    assert folder.parent == tmp_path / "cache" / "kernels"
    assert folder.stat().st_mode & 0o077 == 0


def test_prepare_does_without_a_folder_it_cannot_write(forgotten: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    assert not compiled.prepare(tmp_path / "file")
    assert compiled.CACHE_VARIABLE not in os.environ


def test_kernel_is_compiled_once_and_then_read_from_the_cache(tmp_path: Path) -> None:
    """And what was read computes what was compiled."""
    code = f"""
from pathlib import Path
import numpy as np
from daemon.engine.cpu.compiled import load_band
from daemon.engine.cpu.upscaler import CpuUpscaler, prepare
from daemon.engine.resampling import Resampling
prepare(Path({str(tmp_path)!r}))
engine = CpuUpscaler(threads=1)
picture = engine.upscale(np.arange(300, dtype=np.uint8).reshape(10, 10, 3), (40, 40), Resampling(), lambda share: None)
engine.close()
print(int(picture.astype(np.int64).cumsum().sum()), sum(load_band().stats.cache_hits.values()))
"""
    cold, warm = run(code).split(), run(code).split()
    assert [cold[1], warm[1]] == ["0", "1"]
    assert cold[0] == warm[0]


def test_cache_is_where_prepare_puts_it_even_if_numba_was_imported_before(tmp_path: Path) -> None:
    code = f"""
import numba
from pathlib import Path
from daemon.engine.cpu.compiled import load_band
from daemon.engine.cpu.upscaler import CpuUpscaler, prepare
prepare(Path({str(tmp_path)!r}))
CpuUpscaler(threads=1).close()
"""
    run(code)
    assert [path.suffix for path in tmp_path.rglob("kernels.*.nbi")] == [".nbi"]


@pytest.mark.parametrize("kinds", ["*.nbc", "*.nbi", "*.nb[ci]"])
def test_what_a_power_cut_has_emptied_is_compiled_and_kept_once_more(tmp_path: Path, kinds: str) -> None:
    """numba writes its files without a flush; an empty one it can neither read nor replace."""
    code = f"""
from pathlib import Path
from daemon.engine.cpu.compiled import load_png_filter, prepare
prepare(Path({str(tmp_path)!r}))
print(sum(load_png_filter().stats.cache_hits.values()))
"""
    assert run(code) == "0"
    emptied = list(tmp_path.rglob(kinds))
    assert emptied
    for path in emptied:
        path.write_bytes(b"")
    assert [run(code), run(code)] == ["0", "1"]


def test_a_broken_cache_costs_time_only(forgotten: pytest.MonkeyPatch) -> None:
    compile_band = kernels.compile_band

    def broken(*, deep: bool, cached: bool) -> kernels.BandKernel:
        if cached:
            raise EOFError("truncated")
        return compile_band(deep=deep, cached=False)

    forgotten.setattr(kernels, "compile_band", broken)
    engine = CpuUpscaler(threads=1)
    assert engine.upscale(SOURCE, (18, 18), Resampling(), lambda _share: None).shape == (18, 18, 3)
    engine.close()


def test_a_kernel_that_does_not_compile_is_a_failed_device(forgotten: pytest.MonkeyPatch) -> None:
    def impossible(*, deep: bool, cached: bool) -> kernels.BandKernel:
        raise RuntimeError("no such instruction")

    forgotten.setattr(kernels, "compile_band", impossible)
    with pytest.raises(DeviceFailed, match="no such instruction"):
        CpuUpscaler()


def test_without_numba_the_device_has_failed_and_says_why(forgotten: pytest.MonkeyPatch) -> None:
    forgotten.delitem(sys.modules, "daemon.engine.cpu.kernels")
    forgotten.setitem(sys.modules, "numba", None)
    with pytest.raises(DeviceFailed, match="numba"):
        CpuUpscaler()


def test_a_kernel_that_is_there_is_had_while_another_is_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    """A new machine's first job had waited for kernels that it did not need."""
    begun, done = threading.Event(), threading.Event()

    def slowly(_compile_it: object) -> object:
        begun.set()
        done.wait(30)
        raise DeviceFailed("enough")

    there = compiled.load_band()
    compiled.POLAR[True].forget()
    monkeypatch.setattr(compiled, "_load", slowly)
    with ThreadPoolExecutor(2) as pool:
        other = pool.submit(compiled.load_polar, deep=True)
        assert begun.wait(30)
        try:
            assert pool.submit(compiled.load_band).result(10) is there
        finally:
            done.set()
        with pytest.raises(DeviceFailed, match="enough"):
            other.result()
