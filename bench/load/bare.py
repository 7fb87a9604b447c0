"""What aiohttp does by itself: `python -m bench.load.bare FILE...`, a process that prints its port.

In a session of its own, as the daemon is: Linux shares the processor by session first (sched_autogroup), and one that
shares it with the client that measures it seems twice as fast.

`GET /0` is the first file, by `web.FileResponse`; `GET /health` a constant; `POST /` takes a body and drops it.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from aiohttp import web

READ_BUFFER = 1 << 20  # as the daemon's


async def serve(files: Sequence[str]) -> None:
    app = web.Application(client_max_size=1 << 30)

    async def health(_request: web.Request) -> web.Response:
        return web.json_response({"status": "healthy"})

    async def send(request: web.Request) -> web.FileResponse:
        return web.FileResponse(files[int(request.match_info["number"])])

    async def take(request: web.Request) -> web.Response:
        async for _ in request.content.iter_chunked(1 << 18):
            pass
        return web.json_response({}, status=202)

    app.add_routes([web.get("/health", health), web.get("/{number}", send), web.post("/", take)])
    runner = web.AppRunner(app, access_log=None, read_bufsize=READ_BUFFER)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.Event().wait()


@contextmanager
def bare_server(*files: Path) -> Iterator[int]:
    """The port of a bare server in a process of its own."""
    with subprocess.Popen(
        [sys.executable, "-m", "bench.load.bare", *map(str, files)], stdout=subprocess.PIPE, start_new_session=True
    ) as process:
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline())
        finally:
            process.kill()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1:]))
