"""One daemon after the other behind one listener: nothing that a client asked is lost, and no job either."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.api.conftest import png
from tests.conftest import copy_kernels, pester
from tests.system.handover import Connection, Crowd, Life, Lost, Place, Tally, place

pytestmark = pytest.mark.timeout(180)
JSON = dict[str, Any]
HAND_OVERS = 10  # `make chaos` has a hundred


@pytest.fixture
async def here(tmp_path: Path, kernel_cache: Path) -> AsyncIterator[Place]:
    copy_kernels(kernel_cache, tmp_path / "cache")
    async with place(tmp_path) as found:
        yield found


@contextlib.asynccontextmanager
async def session(here: Place) -> AsyncIterator[aiohttp.ClientSession]:
    headers = {"Authorization": f"Bearer {here.token}"}
    async with aiohttp.ClientSession(f"http://127.0.0.1:{here.port}", headers=headers) as found:
        yield found


async def job_of(here: Place, job_id: str) -> JSON:
    async with session(here) as client, client.get(f"/api/jobs/{job_id}") as response:
        found: JSON = await response.json()
    return found


async def until_done(here: Place, job_ids: list[str]) -> list[JSON]:
    async with asyncio.timeout(60):
        while True:
            found = [await job_of(here, job_id) for job_id in job_ids]
            if all(job["state"] == "done" for job in found):
                return found
            assert not any(job["state"] == "failed" for job in found), found
            await asyncio.sleep(0.05)


async def submit(client: aiohttp.ClientSession, picture: bytes, **options: Any) -> tuple[int, JSON]:
    async with client.post("/api/process", data=picture, **options) as response:
        return response.status, await response.json(content_type=None)


class Watcher:
    """A subscriber to everything: what it has been told, and how it ended."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket
        self.told: list[tuple[str, str]] = []

    async def until(self, event: str, job: str | None = None) -> None:
        async with asyncio.timeout(60):
            while True:
                message = await self.socket.receive_json()
                if message.get("event") in {None, "progress"}:
                    continue
                self.told.append((message["job"], message["event"]))
                if message["event"] == event and job in {None, message["job"]}:
                    return

    async def until_closed(self) -> int | None:
        async with asyncio.timeout(60):
            while (message := await self.socket.receive()).type is aiohttp.WSMsgType.TEXT:
                event = json.loads(message.data)
                if event.get("event") not in {None, "progress"}:
                    self.told.append((event["job"], event["event"]))
        return self.socket.close_code


@contextlib.asynccontextmanager
async def watching(client: aiohttp.ClientSession) -> AsyncIterator[Watcher]:
    async with client.ws_connect("/ws") as socket:
        await socket.send_json({"type": "subscribe", "jobs": "*"})
        assert (await socket.receive_json())["type"] == "snapshot"
        yield Watcher(socket)


LONG = png(640, 500)  # enlarged 8 times it takes a second on a fast machine, and seconds on others


async def begin_long_job(client: aiohttp.ClientSession, watcher: Watcher) -> str:
    status, job = await submit(client, LONG, params={"scale_factor": "8x"})
    assert status == 202
    await watcher.until("started", job["id"])
    return str(job["id"])


async def test_hand_overs_under_load_lose_no_request(here: Place) -> None:
    life = await here.ready()
    crowd = Crowd(here.port, Tally())
    crowd.start(keeping=15, fresh=15, pause=0.005)
    for _ in range(5):
        life = await here.hand_over(life)
    await crowd.stop()
    assert crowd.tally.lost == 0
    assert set(crowd.tally.answers) == {200}
    assert crowd.tally.answers[200] > 500


@pytest.mark.timeout(300)
async def test_over_many_quick_hand_overs_no_job_is_lost_and_none_counts_an_attempt(here: Place) -> None:
    """One job is set aside in the middle of its work each time, others are handed in all the while."""
    here.env["PRO_ENGINE_DRAIN_SECONDS"] = "0.01"
    life = await here.ready()
    taken: list[str] = []
    over = asyncio.Event()

    async def keep_submitting() -> None:
        async with session(here) as client:
            while not over.is_set():
                status, job = await submit(client, png())
                assert status == 202, job
                taken.append(job["id"])
                await asyncio.sleep(0.3)

    async with session(here) as client:
        status, long = await submit(client, LONG, params={"scale_factor": "8x"})
    assert status == 202
    submitting = asyncio.create_task(keep_submitting())
    for _ in range(HAND_OVERS):
        standby = await here.standby()
        await _until_running(here, long["id"])
        life = await here.hand_over(life, standby)
    over.set()
    await submitting
    found = await until_done(here, [long["id"], *taken])
    assert len(found) > HAND_OVERS
    assert {(job["attempts"], job["restarts"]) for job in found} == {(0, 0)}
    assert sum(line["event"] == "job_set_aside" for line in here.log) == HAND_OVERS


async def _until_running(here: Place, job_id: str) -> None:
    async with asyncio.timeout(60):
        while (await job_of(here, job_id))["state"] != "running":
            await asyncio.sleep(0.02)


async def test_a_hand_over_serves_on_while_jobs_run_and_then_tells_clients_to_come_again(here: Place) -> None:
    """New work is taken all the time; the old daemon does what it had begun, the next one does the rest."""
    life = await here.ready(PRO_ENGINE_DRAIN_SECONDS="60")
    async with session(here) as client, watching(client) as watcher:
        following = await here.standby()  # it takes its time, in which the job may well end
        running = await begin_long_job(client, watcher)
        life.send(signal.SIGHUP)
        await _logged(here, "draining")
        status, waiting = await submit(client, png())
        assert (status, waiting["state"]) == (202, "queued")
        async with client.get("/health") as response:
            assert (response.status, response.headers.get("Connection")) == (200, None)
        assert await watcher.until_closed() == aiohttp.WSCloseCode.SERVICE_RESTART
        assert (running, "done") in watcher.told
        assert (waiting["id"], "started") not in watcher.told
    assert await life.exit_code() == 0
    await following.says("ready")
    done = await until_done(here, [running, waiting["id"]])
    assert {(job["attempts"], job["restarts"]) for job in done} == {(0, 0)}


async def _logged(here: Place, event: str, times: int = 1) -> None:
    async with asyncio.timeout(60):
        while sum(line["event"] == event for line in here.log) < times:
            await asyncio.sleep(0.01)


class Upload:
    """A picture on its way, of which the last half has not been sent yet."""

    def __init__(self, connection: Connection, rest: bytes) -> None:
        self.connection = connection
        self.rest = rest

    @classmethod
    async def begin(cls, here: Place, *headers: str) -> Upload:
        picture = png(200, 200)
        connection = await here.connect()
        connection.send_head("POST /api/process", len(picture), f"Authorization: Bearer {here.token}", *headers)
        connection.writer.write(picture[: len(picture) // 2])
        async with asyncio.timeout(10):  # until it is seen to be there
            while not list((here.folder / "cache" / "tmp").iterdir()):
                await asyncio.sleep(0.01)
        return cls(connection, picture[len(picture) // 2 :])

    async def finish(self) -> tuple[int, dict[str, str], bytes]:
        self.connection.writer.write(self.rest)
        return await self.connection.answer()


async def test_an_upload_in_the_middle_of_a_hand_over_is_taken_and_a_kept_connection_is_told_to_close(
    here: Place,
) -> None:
    life = await here.ready()
    idle = await here.connect()
    assert (await idle.ask("GET /health"))[0] == 200
    upload = await Upload.begin(here)
    following = await here.standby()
    life.send(signal.SIGHUP)
    await _logged(here, "draining")
    status, headers, _ = await idle.ask("GET /health")
    assert (status, headers.get("connection")) == (200, None)  # everything goes on
    status, _, body = await upload.finish()
    assert status == 202
    while idle.open:  # the next answers, within the second that idle connections have
        status, headers, _ = await idle.ask("GET /health")
        assert status == 200
    assert headers["connection"] == "close"
    assert await life.exit_code() == 0
    await following.says("ready")
    assert await until_done(here, [json.loads(body)["id"]])


async def test_an_idle_connection_holds_a_hand_over_up_by_a_second_and_no_longer(here: Place) -> None:
    life = await here.ready()
    idle = await here.connect()
    await idle.ask("GET /health")
    life.send(signal.SIGHUP)
    asked = time.monotonic()
    assert await life.exit_code() == 0
    assert 1.0 < time.monotonic() - asked < 4.0
    assert await idle.reader.read() == b""  # closed, not reset


async def test_an_answer_held_back_for_a_job_comes_with_the_drain(here: Place) -> None:
    life = await here.ready(PRO_ENGINE_DRAIN_SECONDS="0.2")
    async with session(here) as client, watching(client) as watcher:
        await begin_long_job(client, watcher)
        held = asyncio.create_task(submit(client, png(), headers={"Prefer": "wait=60"}))
        await watcher.until("queued")
        life.send(signal.SIGHUP)
        status, job = await held
    assert (status, job["state"]) == (202, "queued")
    assert await life.exit_code() == 0


@pytest.mark.parametrize("asked", [(signal.SIGTERM, signal.SIGTERM), (signal.SIGTERM, signal.SIGINT)])
async def test_a_second_signal_sets_jobs_aside_and_cuts_uploads_within_a_second_or_so(
    here: Place, asked: tuple[signal.Signals, signal.Signals]
) -> None:
    life = await here.ready(PRO_ENGINE_DRAIN_SECONDS="60")
    async with session(here) as client, watching(client) as watcher:
        running = await begin_long_job(client, watcher)
        upload = await Upload.begin(here)
        life.send(asked[0])
        await _logged(here, "draining")
        life.send(asked[1])
        told = time.monotonic()
        assert await watcher.until_closed() == aiohttp.WSCloseCode.SERVICE_RESTART
        assert watcher.told[-1] == (running, "queued")
        assert await life.exit_code() == 0
        assert time.monotonic() - told < 3.0
        with pytest.raises(Lost):
            await upload.finish()
    await here.ready()
    (job,) = await until_done(here, [running])
    assert (job["attempts"], job["restarts"]) == (0, 0)


async def test_a_stop_refuses_new_work_and_still_gives_results_until_its_jobs_are_done(here: Place) -> None:
    life = await here.ready(PRO_ENGINE_DRAIN_SECONDS="60")
    async with session(here) as client, watching(client) as watcher:
        running = await begin_long_job(client, watcher)
        life.send(signal.SIGTERM)
        await _logged(here, "draining")
        await _refuses(client)
        await watcher.until("done", running)
    assert await life.exit_code() == 0


async def _refuses(client: aiohttp.ClientSession) -> None:
    status, body = await submit(client, png())
    assert (status, body["code"]) == (503, "draining")
    async with client.get("/health") as response:
        assert (response.status, (await response.json())["status"]) == (503, "draining")


async def test_a_stop_during_a_hand_over_makes_a_stop_of_it(here: Place) -> None:
    life = await here.ready(PRO_ENGINE_DRAIN_SECONDS="60")
    async with session(here) as client, watching(client) as watcher:
        running = await begin_long_job(client, watcher)
        life.send(signal.SIGHUP)
        await _logged(here, "draining")
        async with client.get("/health") as response:
            assert response.status == 200
        life.send(signal.SIGTERM)
        async with asyncio.timeout(10):
            while True:
                async with client.get("/health") as response:
                    if response.status == 503:
                        break
        await _refuses(client)
        await watcher.until("done", running)
    assert await life.exit_code() == 0


async def test_the_end_of_the_supervisor_is_a_first_stop_and_a_signal_after_it_the_second(here: Place) -> None:
    life = await here.ready(PRO_ENGINE_DRAIN_SECONDS="60")
    async with session(here) as client, watching(client) as watcher:
        await begin_long_job(client, watcher)
        life.cut_lifeline()
        await _logged(here, "draining")
        await _refuses(client)
        life.send(signal.SIGTERM)
        assert (await watcher.until_closed(), watcher.told[-1][1]) == (1012, "queued")
        assert await life.exit_code() == 0


async def test_the_end_of_the_supervisor_does_not_hurry_a_stop_that_is_under_way(here: Place) -> None:
    life = await here.ready(PRO_ENGINE_DRAIN_SECONDS="60")
    async with session(here) as client, watching(client) as watcher:
        running = await begin_long_job(client, watcher)
        life.send(signal.SIGTERM)
        await _logged(here, "draining")
        life.cut_lifeline()
        await watcher.until("done", running)
    assert await life.exit_code() == 0


async def test_a_standby_opens_nothing_and_ends_when_told_or_left_alone(here: Place) -> None:
    life = await here.ready()
    before = sorted(path.name for path in (here.folder / "state").iterdir())
    for end in (lambda one: one.send(signal.SIGTERM), Life.cut_lifeline):
        standby = await here.standby()
        fds = [str(path.readlink()) for path in Path(f"/proc/{standby.process.pid}/fd").iterdir()]
        assert not any(name.endswith((".db", ".db-wal", ".db-shm")) for name in fds)
        end(standby)
        assert await standby.exit_code() == 0
    assert sorted(path.name for path in (here.folder / "state").iterdir()) == before
    assert life.process.returncode is None


async def test_a_standby_waits_on_while_the_store_is_held_and_begins_when_it_is_let_go(here: Place) -> None:
    life = await here.ready()
    standby = await here.standby()
    life.process.kill()  # not handed over: died
    await standby.says("ready")
    standby.send(signal.SIGTERM)
    assert await standby.exit_code() == 0


async def test_a_standby_with_wrong_settings_says_so_and_leaves_the_daemon_alone(here: Place) -> None:
    life = await here.ready()
    standby = await here.spawn(PRO_ENGINE_STANDBY="1", PRO_ENGINE_MAX_QUEUE="many")
    assert await standby.exit_code() == 78
    assert "PRO_ENGINE_MAX_QUEUE is 'many'" in (here.folder / "log").read_text()
    assert life.process.returncode is None


async def test_signals_before_the_daemon_serves_end_it_with_nothing_broken(here: Place) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        life = await here.spawn()
        await life.listens_to_signals()  # before that they meet the interpreter, which has its own ends for SIGINT
        life.send(number)
        assert await life.exit_code() == 0
    await here.ready()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
async def test_a_signal_in_the_last_moment_does_not_change_the_exit_code(
    here: Place, slow_end: dict[str, str], number: signal.Signals
) -> None:
    life = await here.ready(**slow_end)
    life.send(signal.SIGTERM)
    await pester(life.process, number)
    assert await life.exit_code() == 0


async def test_a_subscriber_that_takes_nothing_in_does_not_hold_a_hand_over_up(here: Place) -> None:
    life = await here.ready()
    silent = await here.connect()
    upgrade = ("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13")
    key = "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="
    status, _, _ = await silent.ask("GET /ws", f"Authorization: Bearer {here.token}", *upgrade, key)
    assert status == 101
    life.send(signal.SIGHUP)
    asked = time.monotonic()
    assert await life.exit_code() == 0  # it would answer the closing, but never does
    assert time.monotonic() - asked < 4.0


async def test_a_daemon_whose_log_nobody_reads_serves_works_and_ends(here: Place) -> None:
    """`pro-engine run 2>&1 | less`: the pipe is full, and who is at the terminal reads."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(writing, b"x" * 1024)
    os.set_blocking(writing, True)
    life = await here.spawn(stderr=writing)
    await life.says("ready")
    async with session(here) as client:
        status, job = await submit(client, png(), headers={"Prefer": "wait=60"})
        assert (status, job["state"]) == (200, "done")
    life.send(signal.SIGTERM)
    asked = time.monotonic()
    assert await life.exit_code() == 0
    assert time.monotonic() - asked < 6.0
    os.close(reading)
    os.close(writing)
