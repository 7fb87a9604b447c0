"""A child process and the connection with it."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import psutil
import pytest

from daemon.executor.child import Child
from daemon.executor.messages import FileRef, Probe, Probed, Ready

INTAKE = ("daemon.engine.intake", ['--limits={"max_pixels": 1000000}'])


async def test_it_answers_over_its_own_descriptor(picture: Path) -> None:
    child = await Child.spawn(*INTAKE)
    assert isinstance(await child.answer(), Ready)
    child.send(Probe(source=FileRef(path=str(picture))))
    answer = await child.answer()
    assert isinstance(answer, Probed)
    assert answer.header is not None
    assert (answer.header.width, answer.header.height) == (64, 48)
    await child.close()
    assert child.exit_code == -9


async def test_a_module_that_fails_to_start_is_an_end_and_no_hang() -> None:
    child = await Child.spawn("daemon.no_such_module")
    assert await child.answer() is None
    assert await child.ended() == 1


async def test_messages_end_where_the_child_ends() -> None:
    child = await Child.spawn(*INTAKE)
    messages = child.receive()
    assert isinstance(await anext(messages), Ready)
    child.kill()
    assert [message async for message in messages] == []
    assert await child.ended() == -9


async def test_killing_and_telling_a_dead_child_does_no_harm(picture: Path) -> None:
    child = await Child.spawn(*INTAKE)
    await child.close()
    child.kill()
    child.send(Probe(source=FileRef(path=str(picture))))
    assert await child.answer() is None
    await child.close()


async def test_what_lies_in_the_working_folder_is_never_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command line runs wherever its user is, in a folder of downloads for one."""
    (tmp_path / "daemon").mkdir()
    (tmp_path / "daemon" / "__init__.py").write_text("raise SystemExit('hijacked')")
    (tmp_path / "PIL.py").write_text("raise SystemExit('hijacked')")
    monkeypatch.chdir(tmp_path)
    child = await Child.spawn(*INTAKE)
    assert isinstance(await child.answer(), Ready)
    await child.close()


async def test_it_ends_by_itself_when_our_end_of_the_connection_is_gone() -> None:
    """As when the daemon is killed: nobody is there to end its children."""
    child = await Child.spawn(*INTAKE)
    assert isinstance(await child.answer(), Ready)
    child._writer.transport.abort()
    async with asyncio.timeout(10):
        assert await child._process.wait() == 0
    with pytest.raises(ProcessLookupError):
        os.kill(child.pid, 0)


async def test_one_that_lets_others_go_first_is_that_much_nicer_than_we_are() -> None:
    child = await Child.spawn(*INTAKE, niceness=3)
    try:
        assert psutil.Process(child.pid).nice() == psutil.Process().nice() + 3
    finally:
        await child.close()
