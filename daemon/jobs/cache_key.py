"""Under which name a result may serve again: picture, requested recipe, engine, device class."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Iterator
from functools import cache
from importlib import resources
from importlib.metadata import version
from importlib.resources.abc import Traversable

from daemon.jobs.job import JobSpec

# what the engine computes with or writes files with: another version may give other bytes
LIBRARIES = ("pillow", "numpy", "numba", "wgpu")


@cache
def engine_digest() -> str:
    """A digest of the engine's code, shaders and libraries, read as files: the daemon imports none of them."""
    digest = hashlib.sha256()
    for package in ("daemon.engine", "shaders"):
        for name, content in sorted(_files(resources.files(package), "")):
            digest.update(name.encode() + b"\0" + content + b"\0")
    for library in LIBRARIES:
        digest.update(f"{library} {version(library)}\n".encode())
    return digest.hexdigest()


async def warm_engine_digest() -> None:
    """Read the files once, off the loop, before the first upload needs the digest."""
    await asyncio.get_running_loop().run_in_executor(None, engine_digest)


def _files(folder: Traversable, prefix: str) -> Iterator[tuple[str, bytes]]:
    for entry in folder.iterdir():
        if entry.is_dir():
            yield from _files(entry, f"{prefix}{entry.name}/")
        elif entry.name.endswith((".py", ".wgsl")):
            yield prefix + entry.name, entry.read_bytes()


def cache_key(image_hash: str, spec: JobSpec, device_class: str) -> str:
    """The name of one result. `spec` counts as it was asked, `auto` included."""
    return _digest(image_hash, spec, device_class)


def unfinished_key(image_hash: str, spec: JobSpec) -> str:
    """The name of a result that is being made, on whatever device: another may go on with it."""
    return _digest(image_hash, spec)


def _digest(image_hash: str, spec: JobSpec, *more: str) -> str:
    parts = [image_hash, json.dumps(spec.recipe(), sort_keys=True), engine_digest(), *more]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
