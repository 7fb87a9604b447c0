"""What comes in is written and hashed in order, each upload on a thread of its own that the next one gets."""

from __future__ import annotations

import asyncio
import hashlib
import threading
from collections.abc import AsyncIterator, Iterable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.api.landing import BATCH, MOST_IDLE, _idle, land
from daemon.api.pace import paced
from daemon.errors import DiskFull, UploadTooLarge


async def coming(chunks: Iterable[bytes]) -> AsyncIterator[bytes]:
    for chunk in chunks:
        await asyncio.sleep(0)
        yield chunk


async def landed(path: Path, chunks: Iterable[bytes], limit: int = 1 << 30) -> str:
    async with paced(30) as pace:
        return await land(coming(chunks), path, limit, pace)


@given(sizes=st.lists(st.integers(1, BATCH + BATCH // 2), max_size=6))
def test_the_file_has_all_the_bytes_in_order(tmp_path_factory: pytest.TempPathFactory, sizes: list[int]) -> None:
    path = tmp_path_factory.getbasetemp() / "landed"
    chunks = [bytes([number]) * size for number, size in enumerate(sizes)]
    assert asyncio.run(landed(path, chunks)) == hashlib.sha256(b"".join(chunks)).hexdigest()
    assert path.read_bytes() == b"".join(chunks)


async def test_one_after_the_other_they_have_the_same_thread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = threading.active_count()
    for number in range(20):
        await landed(tmp_path / str(number), [b"x"])
    assert threading.active_count() <= before + 1


async def test_however_many_come_at_once_few_threads_are_kept(tmp_path: Path) -> None:
    await asyncio.gather(*(landed(tmp_path / str(number), [b"x"] * 5) for number in range(3 * MOST_IDLE)))
    assert 1 <= len(_idle) <= MOST_IDLE


async def test_too_many_bytes_are_refused_and_the_file_goes(tmp_path: Path) -> None:
    path = tmp_path / "large"
    with pytest.raises(UploadTooLarge):
        await landed(path, [bytes(BATCH)] * 5, limit=4 * BATCH)
    async with asyncio.timeout(30):
        while path.exists():
            await asyncio.sleep(0)


async def test_a_file_that_cannot_be_opened_is_disk_full(tmp_path: Path) -> None:
    with pytest.raises(DiskFull):
        await landed(tmp_path / "no such folder" / "file", [b"x"])
