"""A worker's one job at a time, in this process, over a real channel."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from daemon.engine import worker as working
from daemon.engine.channel import Channel
from daemon.engine.choose import Choice
from daemon.engine.memory import MemoryWatch
from daemon.engine.upscaler import DeviceKind
from daemon.engine.worker import Worker
from daemon.executor.messages import AnyMessage, Done, Failed, FileRef, Opened, Progress, Run, Work, from_line
from tests.engine.stand_ins import StandIn


class Bench:
    """A worker whose devices are stand-ins, tried in order, and what it says."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        self.devices: list[tuple[str, StandIn]] = []
        self.tmp_path = tmp_path
        self.ours, theirs = socket.socketpair()
        monkeypatch.setattr(working, "choose", self.choose)
        self.worker = Worker(Channel(theirs.detach()), "auto", {}, tmp_path, MemoryWatch(1 << 40))

    def choose(self, _wish: str, avoid: dict[str, str], *_: object) -> Choice:
        name, engine = next(pair for pair in self.devices if pair[0] not in avoid)
        return Choice(engine, name)

    def run(self, source: Path, **work: int) -> list[AnyMessage]:
        """One job from the start of the worker to its end."""
        said = bytearray()
        reader = threading.Thread(target=lambda: said.extend(b"".join(iter(lambda: self.ours.recv(65536), b""))))
        reader.start()
        self.worker._open()
        sink = FileRef(path=str(self.tmp_path / "sink"))
        job = Run(job="j", source=FileRef(path=str(source)), sink=sink, work=Work.model_validate(work))
        self.worker._run(job)
        self.close_channel()
        reader.join()
        return [from_line(line) for line in bytes(said).splitlines()]

    def close_channel(self) -> None:
        self.worker._channel._lines.close()
        self.worker._channel._socket.close()


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Bench]:
    one = Bench(monkeypatch, tmp_path)
    yield one
    one.close_channel()
    one.ours.close()


def test_a_worker_ends_with_a_daemon_that_died_before_it_had_read_everything(kernel_cache: Path) -> None:
    """The kernel then reports a reset and no end, after which an idle worker would have waited for ever."""
    ours, theirs = socket.socketpair()
    options = ["--device=cpu", f"--cache={kernel_cache}", f"--memory-limit={1 << 40}"]
    with (
        theirs,
        subprocess.Popen(
            [sys.executable, "-P", "-m", "daemon.engine.worker", f"--channel={theirs.fileno()}", *options],
            pass_fds=(theirs.fileno(),),
        ) as worker,
    ):
        try:
            with ours:
                while b'"ready"' not in ours.recv(1 << 16, socket.MSG_PEEK):
                    assert worker.poll() is None
                    time.sleep(0.01)
            assert worker.wait(30) == 0
        finally:
            worker.kill()


def progress(said: list[AnyMessage]) -> list[float]:
    return [message.fraction for message in said if isinstance(message, Progress)]


def test_a_device_that_fails_at_its_second_tile_is_replaced_and_the_job_is_done(bench: Bench, picture: Path) -> None:
    lost = StandIn("Card", fails_at_tile=2)
    bench.devices = [("Card", lost), ("CPU", StandIn("CPU", DeviceKind.CPU))]
    said = bench.run(picture, width=128, height=96)
    assert [m.device.name for m in said if isinstance(m, Opened)] == ["Card", "CPU"]
    done = said[-1]
    assert isinstance(done, Done)
    assert done.device.kind == "cpu"
    with Image.open(bench.tmp_path / "sink") as image:
        assert image.size == (128, 96)
    assert lost.closed


def test_a_twin_that_fails_is_not_taken_for_the_other(bench: Bench, picture: Path) -> None:
    """Their devices have one name; going by it, the failed one would be opened again without end."""
    bench.devices = [
        ("Card #2", StandIn("Card", fails_at_tile=2)),
        ("Card", StandIn("Card")),
    ]
    said = bench.run(picture, width=128, height=96)
    assert isinstance(said[-1], Done)
    assert [m.device.name for m in said if isinstance(m, Opened)] == ["Card #2", "Card"]


def test_when_the_cpu_fails_the_job_does_and_leaves_no_file(bench: Bench, picture: Path) -> None:
    bench.devices = [("CPU", StandIn("CPU", DeviceKind.CPU, fails_at_tile=2))]
    said = bench.run(picture, width=128, height=96)
    failed = said[-1]
    assert isinstance(failed, Failed)
    assert failed.fault.code == "device_failed"
    assert not (bench.tmp_path / "sink").exists()


def test_a_cancel_stops_it_between_two_tiles_and_leaves_no_file(bench: Bench, picture: Path) -> None:
    bench.devices = [("Card", StandIn("Card"))]
    bench.worker._cancelled.add("j")
    said = bench.run(picture, width=128, height=96)
    failed = said[-1]
    assert isinstance(failed, Failed)
    assert failed.fault.code == "cancelled"
    assert progress(said) == []
    assert not (bench.tmp_path / "sink").exists()
    assert bench.worker._cancelled == set()
