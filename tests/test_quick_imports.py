"""What a start does without, and what is as it was afterwards."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from pathlib import Path

import pytest

from daemon.quick_imports import as_if_missing, uncollected, without_certificates

LOADED = """
import sys
import daemon.__main__
from daemon.quick_imports import without_certificates
with without_certificates():
    import aiohttp, aiohttp.connector
print("rich" in sys.modules, len(aiohttp.connector._SSL_CONTEXT_VERIFIED.get_ca_certs()))
import rich, ssl
print(len(ssl.create_default_context().get_ca_certs()) == int(sys.argv[1]))
"""


def test_a_library_may_be_hidden_for_a_while_and_is_there_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "colorsys", raising=False)
    with as_if_missing("colorsys"), pytest.raises(ImportError):
        import colorsys
    import colorsys

    with as_if_missing("colorsys"):
        import colorsys as loaded
    assert loaded is colorsys


def test_certificates_are_left_out_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/mine")
    monkeypatch.delenv("SSL_CERT_DIR", raising=False)
    with without_certificates():
        assert os.environ["SSL_CERT_FILE"] == os.environ["SSL_CERT_DIR"] == os.devnull
    assert os.environ["SSL_CERT_FILE"] == "/mine"
    assert "SSL_CERT_DIR" not in os.environ


def test_the_collector_rests_while_modules_are_loaded_and_leaves_them_alone_then() -> None:
    with uncollected():
        assert not gc.isenabled()
    assert gc.isenabled()
    assert gc.get_freeze_count()
    gc.unfreeze()


def test_a_daemon_has_loaded_neither_rich_nor_certificates_and_can_have_both_later() -> None:
    count = "import ssl; print(len(ssl.create_default_context().get_ca_certs()))"
    trusted = subprocess.run([sys.executable, "-c", count], capture_output=True, text=True, check=True).stdout.strip()
    found = subprocess.run(
        [sys.executable, "-c", LOADED, trusted], capture_output=True, text=True, check=True
    ).stdout.split()
    assert found == ["False", "0", "True"]


@pytest.mark.parametrize(
    ("module", "spared"),
    [("supervisor.__main__", {"rich"}), ("daemon.engine.worker", {"rich", "cffi", "numba", "wgpu"})],
)
def test_a_start_does_without_what_it_need_not_load(module: str, spared: set[str]) -> None:
    says = f"import sys, {module}; print(sorted({spared!r} & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", says], capture_output=True, text=True, check=True).stdout
    assert found == "[]\n"


def test_the_kernels_load_without_a_parser_of_c(kernel_cache: Path) -> None:
    says = (
        "import sys; from pathlib import Path; from daemon.engine.cpu.compiled import load_all, prepare;"
        f"prepare(Path({str(kernel_cache)!r})); load_all(); print('cffi' in sys.modules, 'numba' in sys.modules)"
    )
    found = subprocess.run([sys.executable, "-c", says], capture_output=True, text=True, check=True).stdout
    assert found == "False True\n"
