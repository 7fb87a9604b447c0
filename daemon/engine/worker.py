"""A worker's entry: `python -m daemon.engine.worker --channel FD`. Owns one device, does one job at a time.

Disposable: it may be killed at any moment, and whatever a driver or a decoder does to it costs one attempt at one job.
"""

from __future__ import annotations

import argparse
import json
import os
import queue
import sys
import threading
import time
from pathlib import Path
from typing import Final

from daemon.engine.parent import die_with_parent
from daemon.quick_imports import uncollected

if __name__ == "__main__":
    die_with_parent()  # before what takes a second to load

with uncollected():
    from daemon.engine.channel import Channel, own_output
    from daemon.engine.choose import Choice, choose, facts
    from daemon.engine.codec.png.filtering import row_filter
    from daemon.engine.cpu.compiled import load_all, load_band, prepare
    from daemon.engine.memory import MemoryWatch, resident_bytes
    from daemon.engine.selftest import Proof, prove
    from daemon.engine.upscale import Stage, upscale
    from daemon.engine.upscaler import DeviceKind, Upscaler
    from daemon.errors import Cancelled, DeviceFailed, ProEngineError
    from daemon.executor.messages import (
        Cancel,
        DeviceFacts,
        Done,
        Failed,
        Fault,
        MakeWay,
        Opened,
        Opening,
        Progress,
        Ready,
        Run,
        Unusable,
        Warming,
    )

SETTLED: Final = 10.0  # seconds
NUMBA_BYTES: Final = 64 << 20  # what it will take once it is loaded, in a worker on a GPU after the first announcement


class Worker:
    """The one job at a time, and the device that does it."""

    def __init__(self, channel: Channel, wish: str, avoid: dict[str, str], cache: Path, memory: MemoryWatch) -> None:
        self._channel = channel
        self._memory = memory
        self._wish = wish
        self._avoid = avoid
        self._cache = cache
        self._jobs: queue.SimpleQueue[Run] = queue.SimpleQueue()
        self._cancelled: set[str] = set()
        self._making_way: set[str] = set()
        self._choice: Choice
        self._proved: set[str] = set()  # by the device in use
        self._idle_bytes: int | None = None

    def listen(self) -> None:
        """Take messages in a thread of its own, so that a cancel is seen while the device works."""
        try:
            for message in self._channel.receive():
                if isinstance(message, Run):
                    self._jobs.put(message)
                elif isinstance(message, Cancel):
                    self._cancelled.add(message.job)
                elif isinstance(message, MakeWay):
                    self._making_way.add(message.job)
        finally:
            os._exit(0)  # the daemon is gone, or talks nonsense; a driver that hangs must not keep us

    def work(self) -> None:
        prepare(self._cache)
        self._open()
        self._channel.send(Ready())
        threading.Thread(target=self._warm_up, name="warm-up", daemon=True).start()
        while True:
            run = self._jobs.get()
            with self._memory.watching():
                self._run(run)

    def _warm_up(self) -> None:
        """Kernels that only some pictures need, before the first of them does; on a new machine they are compiled.

        Those that few ask for wait a while: a worker that soon ends, or has just begun on a machine that starts a whole
        service, has better uses for the processor.
        """
        row_filter()
        if self._choice.upscaler.device.kind is DeviceKind.CPU:
            load_band(deep=True)
            time.sleep(SETTLED)
            load_all()

    def _open(self) -> None:
        self._channel.send(Opening())
        try:
            self._choice = choose(self._wish, self._avoid, lambda: self._channel.send(Warming()))
        except DeviceFailed as error:
            self._channel.send(Unusable(fault=Fault.of(error)))
            raise
        self._proved = {Proof().name}
        self._announce()

    def _announce(self) -> None:
        choice = self._choice
        self._channel.send(Opened(device=self._facts(), rejected=choice.rejected, others=choice.others))

    def _facts(self) -> DeviceFacts:
        if self._idle_bytes is None:  # later there may be a job's pixels among them
            self._idle_bytes = resident_bytes() + (0 if "numba" in sys.modules else NUMBA_BYTES)
        return facts(self._choice, self._idle_bytes)

    def _run(self, run: Run) -> None:
        def on_progress(fraction: float, stage: Stage) -> None:
            if run.job in self._cancelled:
                raise Cancelled("the job was cancelled")
            self._channel.send(Progress(job=run.job, fraction=fraction, stage=stage))

        source, sink = Path(run.source.path), Path(run.sink.path)
        make_way = (lambda: run.job in self._making_way) if run.resumes else None
        try:
            outcome = upscale(source, sink, run.work, self._upscaler, on_progress, self._failover, make_way)
        except ProEngineError as error:
            self._channel.send(Failed(job=run.job, fault=Fault.of(error)))
        except MemoryError:
            fault = Fault(code="out_of_memory", message="this machine has not enough memory for this job")
            self._channel.send(Failed(job=run.job, fault=fault))
        else:
            self._channel.send(
                Done(
                    job=run.job,
                    device=self._facts(),
                    stages=outcome.stages,
                    width=run.work.width,
                    height=run.work.height,
                    size=outcome.written.size,
                    sha256=outcome.written.sha256,
                )
            )
        finally:
            self._cancelled.discard(run.job)
            self._making_way.discard(run.job)

    def _upscaler(self, proofs: list[Proof]) -> Upscaler:
        """The engine to use now, which proves what it has not yet before the first picture that needs it."""
        for proof in proofs:
            if proof.name not in self._proved:
                prove(self._choice.upscaler, proof)
                self._proved.add(proof.name)
        return self._choice.upscaler

    def _failover(self, error: DeviceFailed) -> None:
        """Quarantine the device in use and open the next. The CPU is the last: when it fails, the job does."""
        failed = self._choice
        if failed.upscaler.device.kind is DeviceKind.CPU:
            raise error
        failed.upscaler.close()
        self._avoid[failed.name] = f"failed during a job: {error}"
        self._open()


def main() -> None:
    parser = argparse.ArgumentParser(prog="pro-engine worker")
    parser.add_argument("--channel", type=int, required=True)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--avoid", type=json.loads, default={}, metavar="JSON", help="names of devices, and why")
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--memory-limit", type=int, required=True, metavar="BYTES")
    options = parser.parse_args()
    own_output()
    # EGL, which wgpu asks for adapters too, complains on standard error where there is no such folder
    os.environ.setdefault("XDG_RUNTIME_DIR", str(options.cache))
    memory = MemoryWatch(options.memory_limit)
    worker = Worker(Channel(options.channel), options.device, options.avoid, options.cache, memory)
    threading.Thread(target=worker.listen, name="listen", daemon=True).start()
    memory.start()
    worker.work()


if __name__ == "__main__":
    main()
