"""Animations, from file to file: every frame as it is seen, when it is seen, and as often."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from daemon.engine.codec.probe import probe
from daemon.engine.codec.sink import Sink
from daemon.engine.cpu.upscaler import CpuUpscaler
from daemon.engine.resampling import Resampling
from daemon.engine.upscale import Outcome, Stage, upscale
from daemon.errors import BadRequest, BrokenImage, Cancelled, DeviceFailed
from daemon.executor.formats import OutputFormat
from daemon.executor.intake_limits import IntakeLimits
from daemon.executor.messages import Work
from tests.engine.codec.pictures import exif, noise, save
from tests.engine.stand_ins import StandIn

MANY: Final = IntakeLimits(10_000_000)
SIZE: Final = (32, 24)
DURATIONS: Final = [50, 120, 1000, 70]


def refuse(error: DeviceFailed) -> None:
    raise error


def drawn(mode: str = "RGB", count: int = len(DURATIONS)) -> list[Image.Image]:
    """A square that wanders over a slope; where there is alpha, over nothing."""
    frames = []
    for number in range(count):
        y, x = np.mgrid[0 : SIZE[1], 0 : SIZE[0]]
        planes = [x * 7 % 256, y * 9 % 256, np.full_like(x, 90), np.where(x > 12, 255, 0)]
        pixels = np.stack(planes[: len(mode)], axis=-1).astype(np.uint8)
        pixels[4:12, 2 + 6 * number : 10 + 6 * number] = [250, 40 * number, 10, 255][: len(mode)]
        frames.append(Image.fromarray(pixels))
    return frames


def animation(kind: str, frames: Sequence[Image.Image], **options: Any) -> bytes:
    lossless = {"lossless": True, "exact": True} if kind == "WEBP" else {}
    return save(
        frames[0], kind, save_all=True, append_images=list(frames[1:]), duration=DURATIONS, **lossless, **options
    )


def seen(content: bytes | Path) -> list[NDArray[np.uint8]]:
    """Each frame of a file as Pillow shows it, RGBA."""
    found = []
    with Image.open(io.BytesIO(content) if isinstance(content, bytes) else content) as image:
        for number in range(getattr(image, "n_frames", 1)):
            image.seek(number)
            found.append(np.asarray(image.convert("RGBA")))
    return found


def timing(path: Path) -> tuple[list[float], int]:
    """Milliseconds of each frame, and how often all are played, 0 for ever."""
    with Image.open(path) as image:
        durations = []
        for number in range(getattr(image, "n_frames", 1)):
            image.seek(number)
            image.load()
            durations.append(image.info["duration"])
        return durations, image.info["loop"]


def enlarge(source: Path, name: OutputFormat = "png", times: int = 2, **more: Any) -> Outcome:
    header, engine = probe(source, MANY), CpuUpscaler(threads=1)
    work = Work(width=times * header.width, height=times * header.height, format=name, **more)
    try:
        return upscale(source, source.with_name("result"), work, lambda _proofs: engine, lambda *_: None, refuse)
    finally:
        engine.close()


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "GIF"])
@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_each_frame_is_what_it_would_be_alone(tmp_path: Path, kind: str, mode: str) -> None:
    source = tmp_path / "source"
    source.write_bytes(content := animation(kind, drawn(mode), loop=0))
    outcome = enlarge(source)
    assert outcome.written.size == (tmp_path / "result").stat().st_size
    engine = CpuUpscaler(threads=1)
    frames = seen(tmp_path / "result")
    assert len(frames) == len(DURATIONS)
    for before, after in zip(seen(content), frames, strict=True):
        opaque = mode == "RGB" and kind != "GIF"
        alone = engine.upscale(before[:, :, :3].copy() if opaque else before, (64, 48), Resampling(), lambda _: None)
        visible = after[:, :, 3] > 0
        assert np.array_equal(after[visible][:, : alone.shape[2]], alone[visible])
        assert opaque or np.array_equal(after[:, :, 3], alone[:, :, 3])
    engine.close()


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "GIF"])
@pytest.mark.parametrize("name", ["png", "webp"])
@pytest.mark.parametrize("loop", [None, 0, 1, 3])
def test_timing_and_how_often_it_is_played_are_kept(
    tmp_path: Path, kind: str, name: OutputFormat, loop: int | None
) -> None:
    """A GIF says how often it is repeated, and without a word is played once; the others count the first time too."""
    source = tmp_path / "source"
    source.write_bytes(animation(kind, drawn(), **({} if loop is None else {"loop": loop})))
    enlarge(source, name)
    durations, plays = timing(tmp_path / "result")
    assert durations == DURATIONS
    if kind == "GIF":
        assert plays == (1 if loop is None else 0 if loop == 0 else loop + 1)
    else:
        assert plays == (loop or 0)


@pytest.mark.parametrize("disposal", [0, 1, 2, 3])
def test_partial_frames_of_a_gif_are_seen_as_they_are_composed(tmp_path: Path, disposal: int) -> None:
    frames = [frame.quantize(16) for frame in drawn()]
    source = tmp_path / "source"
    source.write_bytes(content := animation("GIF", frames, disposal=disposal, optimize=True))
    enlarge(source, times=1)
    for before, after in zip(seen(content), seen(tmp_path / "result"), strict=True):
        visible = before[:, :, 3] > 0
        assert np.array_equal(before[visible], after[visible])
        assert np.array_equal(before[:, :, 3], after[:, :, 3])


def test_a_picture_for_programs_that_know_no_animation_is_none_of_its_frames(tmp_path: Path) -> None:
    source = tmp_path / "source"
    first, *others = drawn()
    made = io.BytesIO()
    first.save(made, "PNG", save_all=True, default_image=True, append_images=others, duration=DURATIONS[1:])
    source.write_bytes(made.getvalue())
    assert probe(source, MANY).frames == 3
    enlarge(source)
    assert len(seen(tmp_path / "result")) == 3


def test_an_animation_that_lies_on_its_side_is_turned_upright(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(animation("WEBP", drawn(), exif=exif(orientation=6)))
    header = probe(source, MANY)
    assert (header.width, header.height, header.frames) == (24, 32, 4)
    enlarge(source, "webp")
    with Image.open(tmp_path / "result") as image:
        assert image.size == (48, 64)
        assert image.getexif().get(0x0112, 1) == 1


@pytest.mark.parametrize("name", ["jpeg", "tiff", "avif"])
def test_a_format_that_holds_no_animation_is_refused_before_any_work(tmp_path: Path, name: OutputFormat) -> None:
    source = tmp_path / "source"
    source.write_bytes(animation("GIF", drawn()))
    engine = StandIn()
    engine.close()
    work = Work(width=64, height=48, format=name)
    with pytest.raises(BadRequest, match="no animation"):
        upscale(source, tmp_path / "result", work, lambda _proofs: engine, lambda *_: None, refuse)
    assert not (tmp_path / "result").exists()


def test_a_device_that_fails_in_the_middle_costs_no_frame(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(animation("PNG", drawn()))
    engines = [StandIn(fails_at_tile=4), StandIn()]

    def failover(_error: DeviceFailed) -> None:
        engines.pop(0)

    work = Work(width=64, height=48)
    upscale(source, tmp_path / "result", work, lambda _proofs: engines[0], lambda *_: None, failover)
    assert len(seen(tmp_path / "result")) == 4
    assert len(engines) == 1


def test_progress_rises_over_all_frames_and_a_cancel_between_two_tiles_ends_it(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(animation("PNG", drawn()))
    told: list[float] = []

    def note(fraction: float, _stage: Stage) -> None:
        told.append(fraction)
        if fraction > 0.6:
            raise Cancelled("enough")

    engine = StandIn()
    with pytest.raises(Cancelled):
        upscale(source, tmp_path / "result", Work(width=64, height=48), lambda _proofs: engine, note, refuse)
    assert told == sorted(told)
    assert len(told) > 8


def test_a_frame_that_is_cut_off_is_a_broken_picture(tmp_path: Path) -> None:
    source = tmp_path / "source"
    content = animation("GIF", [noise("RGB", SIZE), *drawn()[1:]])
    source.write_bytes(content[: len(content) // 3])
    with pytest.raises(BrokenImage):
        enlarge(source)


@settings(max_examples=25, deadline=None)
@given(
    durations=st.lists(st.integers(0, 200_000), min_size=2, max_size=5),
    plays=st.integers(0, 9),
    size=st.tuples(st.integers(1, 20), st.integers(1, 20)),
    seed=st.integers(0, 99),
)
def test_an_animated_png_of_ours_is_read_as_it_was_meant(
    tmp_path_factory: pytest.TempPathFactory, durations: list[int], plays: int, size: tuple[int, int], seed: int
) -> None:
    from daemon.engine.codec.png.animated import write_animated_png

    chance = np.random.default_rng(seed)
    frames = [chance.integers(0, 256, (size[1], size[0], 4), dtype=np.uint8) for _ in durations]
    file = tmp_path_factory.mktemp("apng") / "made"
    with file.open("w+b") as opened:
        pairs = zip(frames, map(float, durations), strict=True)
        write_animated_png(Sink(opened), pairs, len(frames), plays, b"", 2)
    assert all(np.array_equal(one, other) for one, other in zip(seen(file), frames, strict=True))
    told, often = timing(file)
    assert often == plays
    for said, meant in zip(told, durations, strict=True):
        assert abs(said - meant) <= (500 if meant > 65_535 else 1e-6)
