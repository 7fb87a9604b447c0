"""The HTTP server at its edge: aiohttp's, whose connections have deadlines and whose every answer is ours.

aiohttp builds its server and its connections by name, so three small subclasses hand ours through.
"""

from __future__ import annotations

from typing import Final

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from daemon.api.connection import Connection, EdgeLimits
from daemon.api.server_log import server_logger

READ_BUFFER: Final = 1 << 20  # bytes; with aiohttp's 64 KiB an upload is paused and resumed for every few packets


class EdgeRunner(web.AppRunner):
    """Runs an application behind our edge. `shutdown_timeout`: seconds for what still runs at `cleanup`."""

    def __init__(self, app: web.Application, limits: EdgeLimits, *, shutdown_timeout: float) -> None:
        super().__init__(app, shutdown_timeout=shutdown_timeout)
        self._limits = limits

    async def _make_server(self) -> web.Server:  # the one place where a runner says which server it runs
        return _EdgeServer(await super()._make_server(), self._limits)


class _EdgeServer(web.Server):
    def __init__(self, plain: web.Server, limits: EdgeLimits) -> None:
        super().__init__(plain.request_handler, request_factory=plain.request_factory)
        self._limits = limits

    def __call__(self) -> RequestHandler:
        return Connection(self, self._limits, logger=server_logger(), access_log=None, read_bufsize=READ_BUFFER)
