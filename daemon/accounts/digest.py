"""Secrets and tokens as bytes, and by their hash: what is looked up so tells nothing by how long it takes."""

from __future__ import annotations

import hashlib


def as_bytes(text: str) -> bytes:
    """Of any text at all: a header that is no UTF-8 arrives with surrogates in it, and is still only a wrong token."""
    return text.encode("utf-8", "surrogatepass")


def digest(text: str) -> bytes:
    """SHA-256: enough for what is random and long."""
    return hashlib.sha256(as_bytes(text)).digest()
