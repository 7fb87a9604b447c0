"""`pro-engine usage`: what the account has used and may use, and what the project has not been told of yet."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
from typing import Any

from daemon import settings
from daemon.client import connect

Answer = dict[str, Any]


def usage(options: argparse.Namespace) -> int:
    """As the service tells it to whoever has signed in.

    Raises:
        ServiceUnreachable: no service runs.
        AccessTokenRequired: nobody has signed in.
        NotFound: the service has no accounts.
    """
    answer = asyncio.run(_ask(retry=options.retry))
    print(json.dumps(answer, indent=2) if options.json else "\n".join(_lines(answer)))
    return 0


async def _ask(*, retry: bool) -> Answer:
    async with connect(settings.folders(os.environ), as_user=True) as client:
        if retry:
            await client.ask("POST", "/api/usage/retry")
        return await client.ask("GET", "/api/usage")


def _lines(answer: Answer) -> list[str]:
    lines = [f"tier   {answer['current_tier'] or 'none'}"]
    lines += [_period(name, answer[name]) for name in ("day", "month") if answer[name] is not None]
    if answer["waiting"]:
        lines.append(f"{answer['waiting']} jobs are over and not counted yet: the project has not been reached since")
    if answer["refused_count"]:
        lines.append(f"{answer['refused_count']} jobs the project refuses to count; `--retry` tells it again:")
        lines += [f"  {one['job']}  {one['code']}  {one['reason']}" for one in answer["refused"]]
    return lines


def _period(name: str, period: Answer) -> str:
    of = f"of {period['limit']}" if period["limit"] is not None else "(no limit)"
    return f"{name:<6} {period['used']} {of} jobs, until {period['ends']}"
