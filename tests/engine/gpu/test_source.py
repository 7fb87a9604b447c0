"""Imports are put in their places, depth first and once; anything else with a # is an error that names the file."""

from __future__ import annotations

from importlib.resources import files

import pytest

from daemon.engine.gpu.source import compose, shader_source

PASSES = sorted(entry.name.removesuffix(".wgsl") for entry in files("shaders").iterdir() if ".wgsl" in entry.name)
SHARED = {"shared/leaf.wgsl": "leaf\n", "shared/branch.wgsl": "#import leaf\nbranch\n"}


def read(path: str) -> str:
    try:
        return SHARED[path]
    except KeyError:
        raise FileNotFoundError(path) from None


def test_imports_are_put_in_depth_first_and_once() -> None:
    assert compose("#import branch\n#import leaf\nmain\n", "test", read) == "leaf\nbranch\nmain\n"


def test_an_unknown_import_is_an_error_that_names_both_files() -> None:
    with pytest.raises(ValueError, match=r"test\.wgsl imports 'root'.*shared/root\.wgsl"):
        compose("#import root\n", "test", read)


@pytest.mark.parametrize("line", ["#import", "#import ../leaf", "#include leaf", "  #import leaf", "#import leaf;"])
def test_a_directive_that_is_not_an_import_is_an_error(line: str) -> None:
    with pytest.raises(ValueError, match="is not an import"):
        compose(f"{line}\n", "test", read)


def test_files_that_import_each_other_end() -> None:
    circle = {"shared/a.wgsl": "#import b\na\n", "shared/b.wgsl": "#import a\nb\n"}
    assert compose("#import a\n", "test", circle.__getitem__) == "b\na\n"


@pytest.mark.parametrize("name", PASSES)
def test_our_passes_compose_to_plain_wgsl(name: str) -> None:
    assert "#" not in shader_source(name)
