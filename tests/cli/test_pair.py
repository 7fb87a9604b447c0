"""`pro-engine pair`: a person, or a script that knows the code, lets a page in."""

from __future__ import annotations

import asyncio
import os
import pty
import sys
from pathlib import Path

import pytest

from tests.api.conftest import PATIENCE, Service
from tests.api.test_pairing import OTHER, PAGE, ask, claim
from tests.cli.conftest import Command


async def granted(service: Service) -> list[str]:
    return [pairing.origin for pairing in service.parts.pairings.granted()]


async def test_a_script_allows_the_page_that_shows_the_code_and_no_other(command: Command, published: Service) -> None:
    _, wanted = await ask(published)
    _, other = await ask(published, OTHER)
    typed = wanted["code"].lower().replace("-", "")
    for _ in range(2):
        ended = await command("pair", "--yes", typed)
        assert (ended.status, ended.out, ended.err) == (0, f"{PAGE} may use this service now\n", "")
    assert (await claim(published, wanted))[0] == 200
    assert (await claim(published, other, OTHER))[0] == 202


async def test_without_a_person_and_a_code_nothing_is_allowed(command: Command, published: Service) -> None:
    _, asked = await ask(published)
    ended = await command("pair")
    assert ended.status == 1
    assert f'{PAGE} "Pro Upscaler" (code {asked["code"]}) asks' in ended.out
    assert "--yes CODE" in ended.err
    assert (await claim(published, asked))[0] == 202


async def test_it_waits_for_a_page_and_says_so(command: Command, published: Service) -> None:
    ended = await command("pair", "--wait", "0.1")
    assert ended.status == 1
    assert "Waiting 0.1 s for a page to ask" in ended.out
    assert "no page asked" in ended.err
    ended = await command("pair", "--wait", "0", "--yes", "K7M-2QX")
    assert (ended.status, ended.out) == (1, "")
    assert "K7M-2QX" in ended.err


@pytest.mark.parametrize(("typed", "status"), [("y", 0), ("n", 1), ("", 1)])
async def test_a_person_is_asked_about_each_page(published: Service, home: Path, typed: str, status: int) -> None:
    """One that asks while the command waits already."""
    terminal, inside = pty.openpty()
    env = os.environ | {"PRO_ENGINE_STATE_DIR": str(home / "state"), "PRO_ENGINE_SHARED_DIR": str(home / "none")}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "daemon.cli", "pair"), env=env, stdin=inside, stdout=asyncio.subprocess.PIPE
    )
    os.close(inside)
    assert process.stdout
    try:
        async with asyncio.timeout(6 * PATIENCE):
            assert b"Waiting 120 s for a page to ask" in await process.stdout.readline()
            _, asked = await ask(published)
            question = await process.stdout.readuntil(b"[y/N] ")
            assert question.decode() == f'Allow {PAGE} "Pro Upscaler" (code {asked["code"]})? [y/N] '
            os.write(terminal, f"{typed}\n".encode())
            said = (await process.stdout.read()).decode()
            assert await process.wait() == status
    finally:
        os.close(terminal)
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert said == f"{PAGE} may {'use this service now' if typed == 'y' else 'not use this service'}\n"
    assert (await claim(published, asked))[0] == (200 if typed == "y" else 403)


async def test_pages_are_listed_and_revoked_by_id_or_origin(command: Command, published: Service) -> None:
    assert "No page may use this service" in (await command("pair", "list")).out
    tokens = []
    for origin in (PAGE, PAGE, OTHER):
        _, asked = await ask(published, origin)
        published.parts.pairings.requests.approve(asked["id"], None)
        tokens.append((await claim(published, asked, origin))[1]["token"])
    published.parts.pairings.caller(tokens[2], OTHER)
    _, pending = await ask(published, OTHER)
    ended = await command("pair", "list")
    assert ended.err == ""
    lines = ended.out.splitlines()
    assert len(lines) == 4
    assert pending["code"] in lines[0]
    assert f'{PAGE} "Pro Upscaler", since 20' in lines[1]
    assert "not used yet" in lines[1]
    assert "last used 20" in lines[3]
    assert not any(token in ended.out for token in tokens)

    ended = await command("pair", "revoke", lines[3].split()[0])
    assert (ended.status, await granted(published)) == (0, [PAGE, PAGE])
    ended = await command("pair", "revoke", f"{PAGE}/")
    assert (ended.status, await granted(published)) == (0, [])
    for unknown in (PAGE, "0123", "../jobs"):
        ended = await command("pair", "revoke", unknown)
        assert ended.status == 1
        assert "not_found" in ended.err


async def test_a_wait_that_is_none_is_refused(command: Command) -> None:
    for wait in ("-1", "x", "inf", "nan"):
        assert (await command("pair", "--wait", wait)).status == 2


async def test_without_a_service_it_says_how_to_start_one(command: Command) -> None:
    for words in (["pair"], ["pair", "list"], ["open"]):
        ended = await command(*words)
        assert ended.status == 69
        assert "pro-engine run" in ended.err
