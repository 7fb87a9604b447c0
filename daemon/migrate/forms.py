"""What becomes of a row: the user or log that the project gets, or why there is none."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import tzinfo
from types import MappingProxyType
from typing import Any, Final, Protocol

from daemon.accounts.billing import PROCESSING_TYPES
from daemon.migrate.dates import as_iso, read_moment
from daemon.migrate.emails import normalized
from daemon.migrate.findings import NAMELESS
from daemon.migrate.hashes import UNKNOWN, kind_of
from daemon.migrate.ids import as_text, event_id, legacy_key
from daemon.migrate.legacy import LOGS, RawLog, RawUser
from daemon.migrate.numbers import BAD, TimeUnit, has_fraction, read_milliseconds, read_pixels
from daemon.migrate.rulings import SKIP, UNRULED

SCALE_OF_TYPE: Final[Mapping[str, str]] = MappingProxyType({name: scale for scale, name in PROCESSING_TYPES.items()})


class Ruling(Protocol):
    def rule(self, kind: str, example: str, name: str = "", /) -> str:
        """What was decided about a row like this."""
        ...


@dataclass(frozen=True)
class LeftOut:
    """A row that is not moved, and the rule that says so; `unruled:…` where nobody has decided yet. An address is there
    where only decisions lack: whether it comes twice is to be known before they are made.
    """

    reason: str
    email: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class MovedUser:
    seq: int
    legacy_id: str
    email: str = field(repr=False)
    password_hash: str | None = field(repr=False)  # where it can be carried
    hash_kind: str
    tier: str
    created: int

    @property
    def digest(self) -> bytes:
        return _digest([self.legacy_id, self.email, self.password_hash, self.tier, self.created])


@dataclass(frozen=True, slots=True)
class MovedLog:
    seq: int
    user: bytes
    event: bytes
    processing_type: str
    scale_factor: str
    image_pixels: int | None
    processing_time_ms: int
    created: int

    @property
    def digest(self) -> bytes:
        """By which a row here and one in the project are told to be the same."""
        return _digest(
            [
                as_text(self.user),
                as_text(self.event),
                self.processing_type,
                self.scale_factor,
                self.image_pixels,
                self.processing_time_ms,
                self.created,
            ]
        )

    @property
    def likeness(self) -> bytes:
        """By which one that was written to the project by the old app itself is told."""
        return likeness_of(
            self.processing_type, self.scale_factor, self.image_pixels, self.processing_time_ms, self.created
        )

    def fields(self, run: str) -> dict[str, Any]:
        """As the project calls them. What bears the run as its device is ours; and what has a device and no time by its
        clock was moved, not done by an engine.
        """
        return {
            "user_id": as_text(self.user),
            "event_id": as_text(self.event),
            "processing_type": self.processing_type,
            "scale_factor": self.scale_factor,
            "image_pixels": self.image_pixels,
            "processing_time_ms": self.processing_time_ms,
            "created_at": as_iso(self.created),
            "event_status": "done",
            "device_id": run,
            "device_seq": self.seq,
        }


def likeness_of(kind: str, scale: str, pixels: int | None, milliseconds: int, created: int) -> bytes:
    return _digest([kind, scale, pixels, milliseconds, created // 1_000_000])


def clean(value: Any) -> str:
    """A text that PostgreSQL can hold: what is none of Unicode is replaced, and NUL, which it has not, is left out."""
    if value is None:
        return ""
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace").replace("\0", "")


def _digest(values: list[Any]) -> bytes:
    return hashlib.blake2b(json.dumps(values, separators=(",", ":")).encode(), digest_size=16).digest()


@dataclass(frozen=True)
class Forms:
    """How rows are read: what was assumed, and what was ruled."""

    project: str  # its address, of which ids are made
    zone: tzinfo
    default_tier: str
    tiers: Collection[str]
    time_unit: TimeUnit | None  # None: nobody has said, and milliseconds are assumed where nothing speaks against it
    ruling: Ruling

    def user(self, raw: RawUser) -> MovedUser | LeftOut:
        known = legacy_key(raw.id)
        example = known or f"row {raw.seq}"
        reasons = []

        def rule(kind: str, name: str = "") -> str:
            decided = self.ruling.rule(kind, example, name)
            if decided in {SKIP, UNRULED}:
                reasons.append(f"{'' if decided == SKIP else f'{UNRULED}:'}{kind}")
            return decided

        if known is None:
            rule("bad-user-id")
        email = normalized(raw.email)
        if email is None:
            rule("invalid-email")
        created = read_moment(raw.created_at, self.zone)
        if created is None:
            rule("bad-user-date")
        tier = clean(raw.subscription_tier).strip() or self.default_tier
        if tier not in self.tiers:
            tier = rule("unknown-tier", tier)
        kind = kind_of(raw.password_hash)
        if kind.name == UNKNOWN:
            rule("unknown-hash")
        if reasons or known is None or email is None:
            is_open = all(reason.startswith(f"{UNRULED}:") for reason in reasons)
            return LeftOut(reasons[0], email if is_open and known is not None else None)
        password_hash = clean(raw.password_hash) if kind.is_carried else None
        return MovedUser(raw.seq, known, email, password_hash, kind.name, tier, created or 0)

    def log(self, raw: RawLog, user: bytes) -> MovedLog | LeftOut:
        """Of a user whose id in the project is `user`."""
        reasons = []

        def rule(kind: str, name: str = "") -> str:
            decided = self.ruling.rule(kind, raw.key, name)
            if decided in {SKIP, UNRULED}:
                reasons.append(f"{'' if decided == SKIP else f'{UNRULED}:'}{kind}")
            return decided

        kind = clean(raw.processing_type)
        scale = SCALE_OF_TYPE.get(kind) or rule("unknown-type", kind or NAMELESS)
        created = read_moment(raw.created_at, self.zone)
        if created is None:
            rule("bad-date")
        pixels = read_pixels(raw.image_size)
        if self.time_unit is None and has_fraction(raw.processing_time):
            rule("time-unit")
        spent = read_milliseconds(raw.processing_time, self.time_unit or "ms")
        if pixels is BAD or spent is BAD:
            rule("bad-number")
        if reasons:
            return LeftOut(reasons[0])
        return MovedLog(
            seq=raw.seq,
            user=user,
            event=event_id(self.project, LOGS, raw.key),
            processing_type=kind or NAMELESS,
            scale_factor=scale,
            image_pixels=None if pixels is BAD else pixels,
            processing_time_ms=0 if spent is BAD or spent is None else spent,
            created=created or 0,
        )
