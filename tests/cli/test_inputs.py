from __future__ import annotations

from pathlib import Path

import pytest

from daemon.cli.inputs import Item, plan
from daemon.errors import BadRequest


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _make(*names: str) -> None:
    for name in names:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).touch()


def _plan(*words: str, output: str | None = None, form: str | None = None) -> dict[str, str]:
    items = plan(words, Path(output) if output else None, "-4x", form)
    return {str(item.source): str(item.target) for item in items}


def test_a_result_lies_beside_its_source_or_where_it_was_asked_for(here: Path) -> None:
    _make("a.png")
    assert _plan("a.png") == {"a.png": "a-4x.png"}
    assert _plan("a.png", form="jpeg") == {"a.png": "a-4x.jpg"}
    assert _plan("a.png", output="b.webp") == {"a.png": "b.webp"}
    assert _plan("a.png", output="out") == {"a.png": "out/a.png"}


def test_a_folder_that_has_a_dot_in_its_name_is_a_folder(here: Path) -> None:
    _make("a.png", "out.d/x")
    assert _plan("a.png", output="out.d") == {"a.png": "out.d/a.png"}


def test_a_folder_gives_its_pictures_at_every_depth_and_nothing_else(here: Path) -> None:
    _make("in/a.PNG", "in/sub/b.jpeg", "in/notes.txt", "in/.png")
    assert _plan("in") == {"in/a.PNG": "in/a-4x.png", "in/sub/b.jpeg": "in/sub/b-4x.jpeg"}
    assert _plan("in", output="out") == {"in/a.PNG": "out/a.png", "in/sub/b.jpeg": "out/sub/b.jpeg"}


@pytest.mark.parametrize("ending", ["png", "PNG", "JPG"])
def test_results_of_an_earlier_run_are_not_enlarged_again(here: Path, ending: str) -> None:
    _make(f"in/a.{ending}", "in/a-4x.png", "in/a-4x.jpg")
    assert list(_plan("in")) == [f"in/a.{ending}"]
    assert list(_plan("in/*")) == [f"in/a.{ending}"]


def test_a_picture_that_only_sounds_like_a_result_is_one_of_its_own(here: Path) -> None:
    _make("in/b-4x.png", "in/a.png", "in/-4x.png")
    assert set(_plan("in")) == {"in/b-4x.png", "in/a.png", "in/-4x.png"}


def test_a_pattern_that_the_shell_left_is_read_and_one_without_matches_is_its_own_error(here: Path) -> None:
    _make("a.png", "b.png", "in/c.png")
    assert list(_plan("[ab].png")) == ["a.png", "b.png"]
    assert "in/c.png" in _plan("**/*.png")
    assert list(_plan("*.webp")) == ["*.webp"]


def test_a_file_whose_name_looks_like_a_pattern_is_that_file(here: Path) -> None:
    _make("a[1].png", "a1.png")
    assert list(_plan("a[1].png")) == ["a[1].png"]


def test_a_picture_that_is_not_there_is_an_item_like_others(here: Path) -> None:
    assert plan(["gone.png"], None, "-4x", None) == [Item(Path("gone.png"), Path("gone-4x.png"))]


def test_the_same_picture_twice_is_one(here: Path) -> None:
    _make("in/a.png")
    assert list(_plan("in/a.png", "in", "./in/a.png")) == ["in/a.png"]


def test_several_pictures_for_one_file_and_two_results_of_one_name_are_refused(here: Path) -> None:
    _make("in/a.png", "in/a.jpg", "other/a.png")
    with pytest.raises(BadRequest, match="name a folder, out/"):
        _plan("in", output="out.png")
    with pytest.raises(BadRequest, match="would both become"):
        _plan("in", form="png")
    with pytest.raises(BadRequest, match="would both become"):
        _plan("in/a.png", "other/a.png", output="out")


def test_a_result_never_replaces_its_own_source(here: Path) -> None:
    _make("in/a.png")
    for output in ("in", "in/a.png"):
        with pytest.raises(BadRequest, match=r"in/a\.png would be replaced by its own result"):
            _plan("in/a.png", output=output)
