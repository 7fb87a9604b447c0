"""Reading WGSL from the `shaders` package and composing it: a line `#import name` stands for `shared/name.wgsl`.

There is no other preprocessor: a shader varies by WGSL `override` constants, so that every file is valid WGSL apart
from its imports.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from importlib.resources import files
from typing import Final

IMPORT: Final = re.compile(r"#import ([a-z][a-z0-9_]*)")


def read_shader(path: str) -> str:
    """The text of `path`, such as `shared/color.wgsl`, in the package `shaders`."""
    return files("shaders").joinpath(path).read_text(encoding="utf-8")


def compose(text: str, name: str, read: Callable[[str], str] = read_shader) -> str:
    """`text` with its imports in their places, depth first, each once.

    Raises:
        ValueError: for an import that does not exist or is written in another way; `name` says whose.
    """
    return _compose(text, name, read, set())


@lru_cache(maxsize=32)
def shader_source(name: str) -> str:
    """The composed WGSL of the pass `name`."""
    return compose(read_shader(f"{name}.wgsl"), name)


def _compose(text: str, name: str, read: Callable[[str], str], done: set[str]) -> str:
    lines = []
    for line in text.splitlines():
        if not line.lstrip().startswith("#"):
            lines.append(line)
            continue
        match = IMPORT.fullmatch(line)
        if match is None:
            raise ValueError(f"{name}.wgsl: {line.strip()!r} is not an import")
        imported = match.group(1)
        if imported in done:
            continue
        done.add(imported)
        try:
            shared = read(f"shared/{imported}.wgsl")
        except OSError as error:
            raise ValueError(f"{name}.wgsl imports {imported!r}, and there is no shared/{imported}.wgsl") from error
        lines.append(_compose(shared, f"shared/{imported}", read, done).rstrip("\n"))
    return "\n".join(lines) + "\n"
