"""A file that was begun and left, in whatever state, becomes the very file that one attempt would have made."""

from __future__ import annotations

import errno
import fcntl
import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from daemon.engine.codec.decode import Picture, decode
from daemon.engine.codec.encode import Written, encode
from daemon.engine.codec.journal import Journal
from daemon.engine.codec.jpeg import write as jpeg
from daemon.engine.codec.png import pixels as png
from daemon.engine.codec.tiff import write as tiff
from daemon.engine.rows import Streamed
from daemon.engine.upscaler import Pixels
from daemon.errors import Cancelled, SetAside
from daemon.executor.formats import OutputFormat

FORMATS: list[OutputFormat] = ["png", "jpeg", "tiff"]
STRIPS = [range(start, min(start + 50, 330)) for start in range(0, 330, 50)]
PICTURE = Picture(
    np.random.default_rng(5).integers(0, 256, (330, 60, 3), np.uint8), icc_profile=b"a profile", exif=None, xmp=b"<x/>"
)


@pytest.fixture(autouse=True)
def _many_small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(png, "BAND_BYTES", 16 * 60 * 3)
    monkeypatch.setattr(jpeg, "STRIP_PIXELS", 16 * 60)
    monkeypatch.setattr(tiff, "STRIP_BYTES", 16 * 60 * 3)


class Attempts:
    """At one file, each with a journal of its own, as in a process of its own."""

    def __init__(self, path: Path, name: OutputFormat) -> None:
        self.path, self.name = path, name
        self.made: list[range] = []
        self.shares: list[float] = []

    def make(self, stop_at: float = 2.0, error: type[Exception] = SetAside) -> Written:
        """The file, or as much of it as is written when `stop_at` of it is."""
        self.made, self.shares = [], []

        def make(rows: range) -> Pixels:
            self.made.append(rows)
            return PICTURE.pixels[rows.start : rows.stop]

        def on_share(share: float) -> None:
            self.shares.append(share)
            if share >= stop_at:
                raise error("enough")

        rows = Streamed((330, 60, 3), np.dtype(np.uint8), STRIPS, make)
        return encode(rows, PICTURE, self.path, self.name, 92, "all", on_share, journal=Journal())

    @property
    def log(self) -> Path:
        return self.path.with_suffix(".journal")


@pytest.fixture(params=FORMATS)
def attempts(request: pytest.FixtureRequest, tmp_path: Path) -> Attempts:
    return Attempts(tmp_path / "sink", request.param)


@pytest.fixture
def whole(attempts: Attempts, tmp_path: Path) -> bytes:
    """What one attempt makes, without a journal."""
    path = tmp_path / "whole"
    rows = Streamed((330, 60, 3), np.dtype(np.uint8), STRIPS, lambda rows: PICTURE.pixels[rows.start : rows.stop])
    encode(rows, PICTURE, path, attempts.name, 92, "all", lambda _share: None)
    return path.read_bytes()


def check(attempts: Attempts, written: Written, whole: bytes) -> None:
    assert attempts.path.read_bytes() == whole
    assert (written.size, written.sha256) == (len(whole), hashlib.sha256(whole).hexdigest())


def test_wherever_it_is_left_the_next_attempt_makes_only_what_is_missing(attempts: Attempts, whole: bytes) -> None:
    check(attempts, attempts.make(), whole)
    for left_at in sorted(set(attempts.shares)):
        attempts.path.unlink()
        attempts.log.unlink(missing_ok=True)
        with pytest.raises(SetAside):
            attempts.make(stop_at=left_at)
        check(attempts, attempts.make(), whole)
        assert attempts.shares[0] == left_at
        above_needed = 1 if attempts.name == "png" else 0  # a row is filtered by the one above it
        assert not attempts.made or attempts.made[0].stop > round(left_at * 330) - above_needed


def test_it_may_be_left_again_and_again(attempts: Attempts, whole: bytes) -> None:
    for left_at in (0.1, 0.3, 0.3, 0.9):
        with pytest.raises(SetAside):
            attempts.make(stop_at=left_at)
    check(attempts, attempts.make(), whole)


def spoil_end(path: Path, log: Path) -> None:
    """A worker was killed as it wrote a piece."""
    path.write_bytes(path.read_bytes() + b"half a piece")


def spoil_note(path: Path, log: Path) -> None:
    """And another as it wrote a note."""
    log.write_bytes(log.read_bytes()[:-9])


def lose_end(path: Path, log: Path) -> None:
    """After a power cut the file is shorter than what is noted."""
    path.write_bytes(path.read_bytes()[: -path.stat().st_size // 2])


def zero_middle(path: Path, log: Path) -> None:
    """Or has zeros where no block came to the disk."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2 : len(content) // 2 + 9] = bytes(9)
    path.write_bytes(content)


def lose_file(path: Path, log: Path) -> None:
    path.unlink()


def lose_log(path: Path, log: Path) -> None:
    log.unlink()


def nonsense(path: Path, log: Path) -> None:
    log.write_bytes(b'[1, 2]\n{"a": 3}\n\xff\xfe')


def numbers(path: Path, log: Path) -> None:
    log.write_bytes(b'{"rows": 99, "size": -1, "digest": ""}\n{"rows": "a"}\n')


SPOILERS = [spoil_end, spoil_note, lose_end, zero_middle, lose_file, lose_log, nonsense, numbers]


@pytest.mark.parametrize("spoil", SPOILERS)
def test_whatever_became_of_the_files_only_what_is_vouched_for_is_used(
    attempts: Attempts, whole: bytes, spoil: Callable[[Path, Path], None]
) -> None:
    with pytest.raises(SetAside):
        attempts.make(stop_at=0.6)
    spoil(attempts.path, attempts.log)
    with pytest.raises(SetAside):  # notes that are added stand behind those that hold
        attempts.make(stop_at=0.8)
    check(attempts, attempts.make(), whole)
    assert attempts.shares[0] >= 0.8


def test_another_error_leaves_nothing(attempts: Attempts) -> None:
    with pytest.raises(Cancelled):
        attempts.make(stop_at=0.5, error=Cancelled)
    assert not attempts.path.exists()
    assert not attempts.log.exists()


def test_a_file_that_somebody_still_writes_is_left_to_him(attempts: Attempts, whole: bytes) -> None:
    """The worker of a daemon that was killed may take a moment to end."""
    with pytest.raises(SetAside):
        attempts.make(stop_at=0.5)
    with attempts.path.open("r+b") as dying:
        fcntl.flock(dying, fcntl.LOCK_EX)
        dying.seek(0, 2)
        written = attempts.make()
        dying.write(b"what the dying one writes")
    check(attempts, written, whole)
    assert attempts.shares[0] == 0.0


def test_where_the_file_system_has_no_locks_it_goes_on_all_the_same(
    attempts: Attempts, whole: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As some of a network have none."""

    def none(*_: object) -> None:
        raise OSError(errno.ENOLCK, "no locks")

    monkeypatch.setattr(fcntl, "flock", none)
    with pytest.raises(SetAside):
        attempts.make(stop_at=0.5)
    check(attempts, attempts.make(), whole)
    assert attempts.shares[0] > 0.0


def test_the_pixels_are_right(attempts: Attempts) -> None:
    with pytest.raises(SetAside):
        attempts.make(stop_at=0.4)
    attempts.make()
    found = decode(attempts.path).pixels
    most = 0 if attempts.name != "jpeg" else 60
    assert np.abs(found.astype(int) - PICTURE.pixels).max() <= most


def test_seconds_add_up_over_attempts(tmp_path: Path) -> None:
    seconds = iter(range(1000))
    first, second = Journal(lambda: next(seconds)), Journal(lambda: next(seconds))
    with first.opened(tmp_path / "sink") as file:
        first.making = 0.5
        file.write(b"piece")
        first.note(1, 5, hashlib.sha256(b"piece").hexdigest(), 0)
    spent = first.last.writing if first.last else 0
    with second.opened(tmp_path / "sink"):
        assert second.making == 0.5
        before = second.writing
        second.making += 0.25
        assert second.writing == pytest.approx(before + 1 - 0.25)
        assert before > spent
