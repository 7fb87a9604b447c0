"""`pro-engine pair`: let pages of the browser use this service, see which may, and take it away again."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import time
from datetime import datetime
from typing import Any, Final

from daemon import settings
from daemon.accounts.pairing_requests import plain_code
from daemon.cli.service_place import ask_person
from daemon.client import Client, connect
from daemon.errors import NotFound, ProEngineError

LOOK_SECONDS: Final = 0.5
Entry = dict[str, Any]


def pair(options: argparse.Namespace) -> int:
    """Exit 0 where a page was let in, or everything asked was done; 1 where not."""
    return asyncio.run(_pair(options))


async def _pair(options: argparse.Namespace) -> int:
    async with connect(settings.folders(os.environ)) as client:
        if options.action == "list":
            return await _list(client)
        if options.action == "revoke":
            return await _revoke(client, options.which)
        found = await _wait_for_requests(client, options.yes, options.wait)
        if not found:
            says = f"no page asked with the code {options.yes}" if options.yes else "no page asked to be let in"
            sys.stderr.write(f"pro-engine: {says} within {options.wait:g} s\n")
            return 1
        return await _answer(client, found, options.yes)


async def _wait_for_requests(client: Client, code: str | None, seconds: float) -> list[Entry]:
    """Requests that nobody has answered, or the one with this code; empty where none comes in time."""
    deadline = time.monotonic() + seconds
    told = False
    while True:
        found = [one for one in (await client.ask("GET", "/api/pairings"))["pending"] if _is_wanted(one, code)]
        if found or time.monotonic() >= deadline:
            return found
        if not told:
            which = f" with the code {code}" if code else ""
            print(f"Waiting {seconds:g} s for a page{which} to ask: connect from the web app now.", flush=True)
            told = True
        await asyncio.sleep(min(LOOK_SECONDS, max(0.0, deadline - time.monotonic())))


def _is_wanted(request: Entry, code: str | None) -> bool:
    return request["state"] == "pending" if code is None else plain_code(request["code"]) == plain_code(code)


async def _answer(client: Client, found: list[Entry], code: str | None) -> int:
    if code is None and not sys.stdin.isatty():
        print("\n".join(f"{_shown(one)} asks" for one in found))
        sys.stderr.write("pro-engine: nobody is here to be asked; `--yes CODE` allows the page that shows this code\n")
        return 1
    allowed = 0
    for request in found:
        is_allowed = code is not None or ask_person(f"Allow {_shown(request)}?")
        verb, body = ("approve", {"code": request["code"]}) if is_allowed else ("deny", None)
        try:
            await client.ask("POST", f"/api/pairings/{request['id']}/{verb}", body)
        except ProEngineError as error:  # it expired, or was answered elsewhere, while the question stood
            print(f"{request['origin']}: {error.message}")
            continue
        print(f"{request['origin']} may {'use this service now' if is_allowed else 'not use this service'}")
        allowed += is_allowed
    return 0 if allowed else 1


def _shown(request: Entry) -> str:
    name = f' "{request["name"]}"' if request["name"] else ""
    return f"{request['origin']}{name} (code {request['code']})"


async def _list(client: Client) -> int:
    found = await client.ask("GET", "/api/pairings")
    for request in found["pending"]:
        print(f"{request['id']}  {_shown(request)} {'asks' if request['state'] == 'pending' else 'is allowed'}")
    for pairing in found["granted"]:
        used = f"last used {_local(pairing['last_used_at'])}" if pairing["last_used_at"] else "not used yet"
        name = f' "{pairing["name"]}"' if pairing["name"] else ""
        print(f"{pairing['id']}  {pairing['origin']}{name}, since {_local(pairing['created_at'])}, {used}")
    if not found["pending"] and not found["granted"]:
        print("No page may use this service, and none asks to.")
    return 0


async def _revoke(client: Client, which: str) -> int:
    """By its id, or all of an Origin.

    Raises:
        NotFound: there is none.
    """
    ids = [which]
    if "://" in which:
        granted = (await client.ask("GET", "/api/pairings"))["granted"]
        ids = [one["id"] for one in granted if one["origin"] == which.rstrip("/").lower()]
    elif not which.isalnum():
        ids = []
    if not ids:
        raise NotFound(f"{which} is not paired; `pro-engine pair list` shows what is")
    for pairing_id in ids:
        revoked = await client.ask("DELETE", f"/api/pairings/{pairing_id}")
        print(f"{revoked['origin']} may not use this service any more ({pairing_id})")
    return 0


def _local(timestamp: str) -> str:
    return datetime.fromisoformat(timestamp).astimezone().strftime("%Y-%m-%d %H:%M")
