"""The project's tables, over its Data API (PostgREST) and with its secret key, which no policy holds back."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple
from urllib.parse import quote

from daemon.errors import MigrationRefused
from daemon.migrate.dates import as_iso, from_iso
from daemon.migrate.forms import MovedLog, likeness_of
from daemon.migrate.http import Http
from daemon.migrate.ids import as_bytes, as_text
from daemon.migrate.patience import Answer, Patience

PAGE: Final = 1000  # hosted projects give no more at once
TIERS: Final = "/rest/v1/subscription_tiers"
PROFILES: Final = "/rest/v1/user_profiles"
LOGS: Final = "/rest/v1/usage_logs"
OF_A_LOG: Final = "user_id,event_id,processing_type,scale_factor,image_pixels,processing_time_ms,created_at,device_id"
MERGE: Final = {"Prefer": "resolution=merge-duplicates,return=minimal"}
IGNORE: Final = {"Prefer": "resolution=ignore-duplicates,return=minimal"}
MINIMAL: Final = {"Prefer": "return=minimal"}
Row = Mapping[str, Any]


class PlainLog(NamedTuple):
    """A row of the project's own."""

    number: str  # its id, whatever an owner's is
    user: bytes
    likeness: bytes


class DataApi:
    def __init__(self, http: Http, patience: Patience) -> None:
        self._http = http
        self._patience = patience

    async def require_migrations(self) -> None:
        """Raises MigrationRefused where the tables are not there, or without our columns."""
        for path in (f"{LOGS}?select={OF_A_LOG},device_seq,event_status", f"{PROFILES}?select=id,subscription_tier"):
            answer = await self._insist("GET", f"{path}&limit=1")
            if not answer.is_good:
                raise MigrationRefused(
                    f"the project is not ready ({answer.why}): `supabase db push` brings it there, see docs/accounts.md"
                )

    async def tiers(self) -> list[str]:
        """Their names. An owner's own table may call the column `name`, and then `tier` is there and empty."""
        rows = await self._rows(f"{TIERS}?select=*")
        return sorted({str(row.get("tier") or row.get("name")) for row in rows if row.get("tier") or row.get("name")})

    async def profiles(self, users: Collection[bytes]) -> dict[bytes, Row]:
        rows = await self._rows(f"{PROFILES}?select=*&id={among(users)}")
        return {as_bytes(row["id"]): row for row in rows}

    async def set_profiles(self, rows: Sequence[Row]) -> Answer:
        """Of users whom we made: what stands there is what the project gave them when we did."""
        return await self._insist("POST", f"{PROFILES}?on_conflict=id", rows, MERGE)

    async def add_profiles(self, rows: Sequence[Row]) -> Answer:
        """Of users who have none; those that have one keep it."""
        return await self._insist("POST", f"{PROFILES}?on_conflict=id", rows, IGNORE)

    async def remove_profiles(self, users: Collection[bytes]) -> Answer:
        return await self._insist("DELETE", f"{PROFILES}?id={among(users)}", None, MINIMAL)

    async def remove_profile(self, user: bytes, tier: str, created: int) -> Answer:
        """Only if it is as we made it."""
        same = f"subscription_tier=eq.{quote(tier, safe='')}&created_at=eq.{quote(as_iso(created), safe='')}"
        return await self._insist("DELETE", f"{PROFILES}?id=eq.{as_text(user)}&{same}", None, MINIMAL)

    async def add_logs(self, logs: Sequence[MovedLog], run: str) -> Answer:
        """Those that are there stay as they are: sent twice, a row counts once."""
        rows = [log.fields(run) for log in logs]
        return await self._insist("POST", f"{LOGS}?on_conflict=user_id,event_id", rows, IGNORE)

    async def logs(self, users: Collection[bytes], after: bytes, *, run: str | None = None) -> Sequence[Row]:
        """The next of these users' rows that have an event id, in the order of that; of one run, or whosever."""
        of_run = f"&device_id=eq.{run}" if run else ""
        return await self._rows(
            f"{LOGS}?select={'*' if run else OF_A_LOG}&user_id={among(users)}&event_id=gt.{as_text(after)}{of_run}"
            f"&order=event_id.asc&limit={PAGE}"
        )

    async def logs_without_event(self, users: Collection[bytes], after: str | None) -> list[PlainLog]:
        """The next of these users' rows that no engine and no migration has written."""
        later = "" if after is None else f"&id=gt.{quote(after, safe='')}"
        rows = await self._rows(
            f"{LOGS}?select=id,{OF_A_LOG}&user_id={among(users)}&event_id=is.null{later}&order=id.asc&limit={PAGE}"
        )
        return [_plain_log(row) for row in rows]

    async def users_with_other_logs(self, users: Collection[bytes], run: str) -> set[bytes]:
        """Who of these has rows that did not come with this run."""
        found: set[bytes] = set()
        for condition in ("device_id=is.null", f"device_id=neq.{run}"):
            while rest := set(users) - found:
                rows = await self._rows(f"{LOGS}?select=user_id&user_id={among(rest)}&{condition}&limit={PAGE}")
                found |= {as_bytes(row["user_id"]) for row in rows}
                if not rows:
                    break
        return found

    async def remove_logs(self, users: Collection[bytes], run: str) -> Answer:
        return await self._insist("DELETE", f"{LOGS}?user_id={among(users)}&device_id=eq.{run}", None, MINIMAL)

    async def _insist(
        self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        return await self._patience.insist(lambda: self._http.ask(method, path, body, headers))

    async def _rows(self, path: str) -> list[dict[str, Any]]:
        """Raises MigrationRefused where the project answers with none."""
        answer = await self._insist("GET", path)
        if not answer.is_good or not isinstance(answer.body, list):
            raise MigrationRefused(f"the project does not answer {path.partition('?')[0]}: {answer.why}")
        return answer.body


def among(users: Iterable[bytes]) -> str:
    return f"in.({','.join(map(as_text, sorted(users)))})"


def _plain_log(row: Row) -> PlainLog:
    pixels = row["image_pixels"]
    likeness = likeness_of(
        row["processing_type"],
        row["scale_factor"],
        None if pixels is None else int(pixels),
        int(row["processing_time_ms"] or 0),
        from_iso(row["created_at"]),
    )
    return PlainLog(str(row["id"]), as_bytes(row["user_id"]), likeness)


def log_of(row: Row) -> MovedLog:
    """As it stands in the project, in the form in which ours are compared."""
    pixels = row["image_pixels"]
    return MovedLog(
        seq=0,
        user=as_bytes(row["user_id"]),
        event=as_bytes(row["event_id"]),
        processing_type=row["processing_type"],
        scale_factor=row["scale_factor"],
        image_pixels=None if pixels is None else int(pixels),
        processing_time_ms=int(row["processing_time_ms"] or 0),
        created=from_iso(row["created_at"]),
    )
