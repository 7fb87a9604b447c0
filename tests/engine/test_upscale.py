"""One job: decode, upscale, encode."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from PIL import Image

from daemon.engine.codec.tiff import write as tiff
from daemon.engine.upscale import Outcome, Stage, upscale
from daemon.errors import BrokenImage, Cancelled, DeviceFailed, SetAside
from daemon.executor import needs
from daemon.executor.messages import Work
from tests.engine.stand_ins import StandIn

Seen = list[tuple[float, Stage]]


def refuse(error: DeviceFailed) -> None:
    raise error


def run(source: Path, engine: StandIn, seen: Seen, work: Work | None = None) -> Outcome:
    sink = source.with_name("sink")
    work = work or Work(width=128, height=96)
    return upscale(source, sink, work, lambda _proofs: engine, lambda *step: seen.append(step), refuse)


def test_stages_come_in_order_and_progress_rises_from_nothing(picture: Path) -> None:
    seen: Seen = []
    outcome = run(picture, StandIn(), seen)
    assert seen[0] == (0.0, "decode")
    assert [stage for stage, after in pairwise([s for _, s in seen] + ["end"]) if stage != after] == [
        "decode",
        "upscale",
        "encode",
    ]
    fractions = [fraction for fraction, _ in seen]
    assert fractions == sorted(fractions)
    assert fractions[-1] < 1.0, "the rest is encoding"
    stages = outcome.stages
    assert min(stages.decode_ms, stages.upscale_ms, stages.encode_ms) > 0
    assert outcome.written.size == picture.with_name("sink").stat().st_size


def test_a_cancel_between_tiles_leaves_no_sink(picture: Path) -> None:
    sink = picture.with_name("sink")

    def cancel(fraction: float, stage: Stage) -> None:
        if stage == "upscale" and fraction > 0.2:
            raise Cancelled("stop")

    engine = StandIn()
    with pytest.raises(Cancelled):
        upscale(picture, sink, Work(width=128, height=96), lambda _proofs: engine, cancel, refuse)
    assert not sink.exists()
    run(picture, engine, [])


def test_another_engine_goes_on_where_one_failed(picture: Path) -> None:
    engines = [StandIn(fails_at_tile=3), StandIn()]
    failures: list[str] = []

    def failover(error: DeviceFailed) -> None:
        failures.append(str(error))
        engines.pop(0)

    seen: Seen = []
    sink = picture.with_name("sink")
    work = Work(width=128, height=96, format="webp")
    upscale(picture, sink, work, lambda _proofs: engines[0], lambda *step: seen.append(step), failover)
    assert failures == ["the device was lost"]
    with Image.open(sink) as image:
        assert (image.format, image.size) == ("WEBP", (128, 96))


def test_a_broken_picture_reaches_no_device(picture: Path) -> None:
    picture.write_bytes(picture.read_bytes()[:200])
    engine = StandIn()
    engine.close()
    with pytest.raises(BrokenImage):
        run(picture, engine, [])
    assert not picture.with_name("sink").exists()


class Resumed:
    """Attempts at one result of many strips, each of which is asked to make way from the start."""

    def __init__(self, source: Path) -> None:
        self.source, self.sink = source, source.with_name("sink")
        self.seen: Seen = []
        self.engine = StandIn()

    def attempt(self, *, make_way: bool) -> Outcome:
        self.seen = []
        work = Work(width=128, height=96, format="tiff")
        return upscale(
            self.source,
            self.sink,
            work,
            lambda _proofs: self.engine,
            lambda *step: self.seen.append(step),
            refuse,
            lambda: make_way,
        )


def test_a_job_that_makes_way_has_got_further_each_time_and_ends(
    picture: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(needs, "STRIP_SAMPLES", 16 * 128 * 3)
    monkeypatch.setattr(needs, "LEAST_STRIP", 16)
    monkeypatch.setattr(tiff, "STRIP_BYTES", 8 * 128 * 3)
    resumed = Resumed(picture)
    whole = resumed.attempt(make_way=False).written
    reached = []
    while True:
        try:
            last = resumed.attempt(make_way=True)
        except SetAside:
            reached.append(max(share for share, _ in resumed.seen))
        else:
            break
    assert len(reached) > 5
    assert reached == sorted(set(reached))
    assert last.written == whole
    assert min(last.stages.decode_ms, last.stages.upscale_ms, last.stages.encode_ms) > 0


def test_a_picture_written_at_once_makes_no_way(picture: Path) -> None:
    sink = picture.with_name("sink")
    engine = StandIn()
    work = Work(width=128, height=96, format="webp")
    upscale(picture, sink, work, lambda _proofs: engine, lambda *_step: None, refuse, lambda: True)
    with Image.open(sink) as image:
        assert image.size == (128, 96)
