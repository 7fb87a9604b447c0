"""Work on threads, its results in the order in which it was given: what our encoders go by."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final, TypeVar

Piece = TypeVar("Piece")
Made = TypeVar("Made")
WAITING: Final = 2  # pieces beyond one a thread that are begun before the first is taken: what bounds the memory


def in_order(work: Callable[[Piece], Made], pieces: Iterable[Piece], threads: int, name: str) -> Generator[Made]:
    """`work` of each piece on `threads` threads called `name`. Closed early, what is not begun is dropped."""
    waiting: deque[Future[Made]] = deque()
    with ThreadPoolExecutor(threads, thread_name_prefix=name) as pool:
        try:
            for piece in pieces:
                waiting.append(pool.submit(work, piece))
                if len(waiting) > threads + WAITING:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
