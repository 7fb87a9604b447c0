"""docs/client.md says what is so: its programs run, and its table has every error that a program can meet."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest

from daemon import client, errors
from daemon.api.problems import STATUS
from daemon.client import Client, SyncClient
from tests.api.conftest import Service, png
from tests.client.test_find import publish

pytestmark = pytest.mark.asyncio(loop_scope="session")
PAGE = (Path(__file__).parent.parent.parent / "docs" / "client.md").read_text(encoding="utf-8")
PROGRAMS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
ROWS = re.findall(r"^\| (`\w+`(?:, `\w+`)*) \| (`\w+`(?:, `\w+`)*) \|", PAGE, re.MULTILINE)
FOR_PAGES = {"pairing_off", "pairing_denied", "pairing_expired", "wrong_pairing_code", "too_many_pairings"}
NO_METHOD_MEETS = {"method_not_allowed", "expectation_failed"}
OF_THE_MIGRATION = {"migration_refused", "migration_interrupted", "rulings_needed"}
NOT_FOR_CLIENTS = (
    {"wrong_settings", "store_too_new", "service_refused", "set_aside", "sign_in_refused"}
    | FOR_PAGES
    | NO_METHOD_MEETS
    | OF_THE_MIGRATION
)


def words(cell: str) -> list[str]:
    return re.findall(r"`(\w+)`", cell)


@pytest.mark.parametrize("program", PROGRAMS, ids=[str(number) for number in range(len(PROGRAMS))])
async def test_its_programs_run(
    service: Service, program: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    publish(service.values.folders, service.port)
    monkeypatch.setenv("PRO_ENGINE_STATE_DIR", str(service.values.folders.state))
    monkeypatch.setenv("PRO_ENGINE_CACHE_DIR", str(service.values.folders.cache))
    monkeypatch.setenv("ENGINE_URL", f"http://127.0.0.1:{service.port}")
    monkeypatch.setenv("ENGINE_TOKEN", service.token)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "holiday.png").write_bytes(png(300, 200))
    (tmp_path / "scans").mkdir()
    for number in range(3):
        (tmp_path / "scans" / f"{number}.png").write_bytes(png(100, 80))
    await service.submit()
    await asyncio.to_thread(exec, compile(program, "client.md", "exec"), {"__name__": "__main__"})
    assert capsys.readouterr().out.strip()


async def test_it_has_programs_and_they_are_short() -> None:
    assert len(PROGRAMS) > 5
    assert all(len(program.splitlines()) <= 16 for program in PROGRAMS)


async def test_its_table_has_every_error_by_its_class_and_code() -> None:
    told: dict[str, str] = {}
    for classes, codes in ROWS:
        told |= dict(zip(words(classes), words(codes), strict=True))
    tree: list[type[errors.ProEngineError]] = [errors.ProEngineError, *errors.ProEngineError.__subclasses__()]
    every = {cls.__name__: cls.code for cls in tree}
    assert told == {name: code for name, code in every.items() if code not in NOT_FOR_CLIENTS}
    assert set(STATUS) - set(told.values()) == FOR_PAGES | NO_METHOD_MEETS


async def test_it_names_every_verb_and_what_is_exported() -> None:
    verbs = {name for name in dir(Client) if not name.startswith("_")} - {"over", "url", "upscale"}
    first_cells = " ".join(re.findall(r"^\| ([^|]*) \|", PAGE, re.MULTILINE))
    assert verbs <= set(words(first_cells))
    assert all(name in PAGE for name in set(client.__all__) - {"Failure"})
    assert SyncClient.__name__ in PAGE
