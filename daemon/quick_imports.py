"""Imports without what libraries load for cases that we do not have: a quarter of the time until the daemon serves."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def as_if_missing(name: str) -> Iterator[None]:
    """A library imported in here does without an optional one, whoever imports that later has it all the same."""
    if name in sys.modules:
        yield
        return
    sys.modules[name] = None  # type: ignore[assignment]  # what makes an import of it fail, by the language's reference
    try:
        yield
    finally:
        del sys.modules[name]


@contextmanager
def uncollected() -> Iterator[None]:
    """What is imported in here lives as long as the process: the collector need not look at it, now or ever."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


@contextmanager
def without_certificates() -> Iterator[None]:
    """An import of aiohttp makes a TLS client's context, with all authorities that this machine trusts: 0.1 s.
    We are a server, and over loopback; were we ever a client by this one, no certificate would be good enough.
    """
    before = {name: os.environ.get(name) for name in ("SSL_CERT_FILE", "SSL_CERT_DIR")}
    os.environ.update(dict.fromkeys(before, os.devnull))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
