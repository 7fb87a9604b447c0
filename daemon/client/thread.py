"""An event loop in a thread of its own, on which any other thread has its coroutines run."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator
from concurrent.futures import Future
from contextlib import AbstractAsyncContextManager
from queue import Empty, SimpleQueue
from typing import Any, Final, Generic, TypeVar

Opened = TypeVar("Opened")
Result = TypeVar("Result")
Item = TypeVar("Item")
Step = Callable[[], object]
LEAVE_SECONDS: Final = 10.0  # for a call that was interrupted to come to its end


class LoopThread(Generic[Opened]):
    """Keeps an asynchronous context open, `opened`, until `close`."""

    def __init__(self, make: Callable[[], AbstractAsyncContextManager[Opened]]) -> None:
        """Raises what opening it raises."""
        self._make = make
        self._opening: Future[Opened] = Future()
        self._loop = asyncio.new_event_loop()
        self._life: asyncio.Task[None] | None = None
        self._lock = threading.Lock()
        self._is_closed = False
        self._thread = threading.Thread(target=self._run_loop, name="pro-engine-client", daemon=True)
        self._thread.start()
        try:
            self.opened = self._opening.result()
        except BaseException:
            self.close()
            raise

    def _run_loop(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner, contextlib.suppress(asyncio.CancelledError):
            runner.run(self._live())

    async def _live(self) -> None:
        self._life = asyncio.current_task()
        if self._is_closed:  # before it was begun
            return
        try:
            async with self._make() as opened:
                self._opening.set_result(opened)
                try:
                    await asyncio.get_running_loop().create_future()  # until `close` cancels us
                finally:
                    await self._end_calls()
        except BaseException as error:
            if self._opening.done():
                raise
            self._opening.set_exception(error)

    async def _end_calls(self) -> None:
        calls = asyncio.all_tasks() - {self._life}
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)

    def run(self, coroutine: Coroutine[Any, Any, Result], steps: SimpleQueue[Step | None] | None = None) -> Result:
        """Run it to its end on the loop; what it puts into `steps` is done here, in the caller's thread, meanwhile.

        Where the caller is interrupted, or a step raises, the coroutine is cancelled and has 10 s to come to its end.
        """
        steps = steps or SimpleQueue()
        call = self._begin(coroutine, steps)
        try:
            while (step := steps.get()) is not None:
                step()
        except BaseException:
            self._loop.call_soon_threadsafe(lambda: call.result().cancel())
            _wait_for_end(steps)
            raise
        try:
            return call.result().result()
        except asyncio.CancelledError:
            raise RuntimeError("the client was closed meanwhile") from None

    def _begin(
        self, coroutine: Coroutine[Any, Any, Result], steps: SimpleQueue[Step | None]
    ) -> Future[asyncio.Task[Result]]:
        call: Future[asyncio.Task[Result]] = Future()

        def begin() -> None:
            task = self._loop.create_task(coroutine)
            call.set_result(task)
            task.add_done_callback(lambda _: steps.put(None))

        with self._lock:  # what is begun before `close` is ended by it
            if not self._is_closed and threading.current_thread() is not self._thread:
                self._loop.call_soon_threadsafe(begin)
                return call
        coroutine.close()
        raise RuntimeError("the client is closed" if self._is_closed else "a call may not wait for itself")

    def iterate(self, items: AsyncGenerator[Item, None]) -> Generator[Item, None, None]:
        async def following() -> Item | None:
            return await anext(items, None)

        try:
            while (item := self.run(following())) is not None:
                yield item
        finally:
            with contextlib.suppress(RuntimeError):  # a client that is closed has ended it
                self.run(_close(items))

    def close(self) -> None:
        """End what runs, close what was opened, and wait for the thread. More than once does no harm."""
        with self._lock:
            if not self._is_closed:
                self._is_closed = True
                with contextlib.suppress(RuntimeError):  # the loop is at its end already
                    self._loop.call_soon_threadsafe(self._end)
        if threading.current_thread() is not self._thread:
            self._thread.join()

    def _end(self) -> None:
        if self._life is not None:
            self._life.cancel()


async def _close(items: AsyncGenerator[Any, None]) -> None:
    await items.aclose()


def _wait_for_end(steps: SimpleQueue[Step | None]) -> None:
    deadline = time.monotonic() + LEAVE_SECONDS
    with contextlib.suppress(Empty):
        while steps.get(timeout=max(0.0, deadline - time.monotonic())) is not None:
            pass
