"""Old files of every sort, and what a project is to have once they are moved, told by who makes them."""

from __future__ import annotations

import hashlib
import random
import sqlite3
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

PASSWORD = "correct horse 1"
BCRYPT = "$2b$04$abcdefghijklmnopqrstuu..ECdwB5ftHOtfZdMoWOaxWtbxL1ouK"  # of PASSWORD
BCRYPT_PHP = BCRYPT.replace("$2b", "$2y")
ARGON2 = "$argon2id$v=19$m=65536,t=3,p=4$c29tZXNhbHRzb21lc2FsdA$RdescudvJCsgt3ub+b27fsTqTPZzQvzVtLfmBeLQTTk"
HASHES = (
    *(BCRYPT, BCRYPT_PHP, ARGON2, BCRYPT),
    *("pbkdf2:sha256:260000$salt$" + "a" * 64, None, "", hashlib.sha256(b"x").hexdigest(), "!!strange"),
)
CARRIED = {BCRYPT, BCRYPT_PHP, ARGON2}
SCALES = {"standard": "2x", "highres": "4x", "ultra": "8x", "turbo": "8x", None: "2x"}
TYPES = ("standard", "highres", "ultra", "turbo", None)
TIERS = ("free", "pro", "team", "gold", None)
TIER_OF = {"gold": "pro", None: "free"}
SIZES = ((786432, 786432), ("1024x768", 786432), ("640 x 480", 307200), (None, None), ("huge", None), ("", None))
TIMES = ((1200, 1200), ("350", 350), (None, 0), (0, 0), ("soon", 0), (-5, 0))
RULES = (
    "duplicate-email=newest",
    "invalid-email=skip",
    "bad-user-date=epoch",
    "unknown-tier:gold=pro",
    "unknown-hash=reset",
    "orphans=skip",
    "unknown-type:turbo=8x",
    "unknown-type:(none)=2x",
    "bad-date=skip",
    "bad-number=blank",
)
SCHEMA = """
CREATE TABLE users (id {id}, email TEXT, password_hash TEXT, subscription_tier TEXT, created_at, nickname TEXT);
CREATE TABLE usage_logs (
  id INTEGER PRIMARY KEY AUTOINCREMENT, user_id, processing_type TEXT, image_size, processing_time, created_at
);
CREATE TABLE sessions (id INTEGER PRIMARY KEY, user_id, token TEXT);
CREATE TABLE processing_cache (image_hash TEXT PRIMARY KEY, processed_path TEXT);
"""
BAD_DATES = ("yesterday", "", None, "2024-13-45", "20240131", 12)
FIRST = datetime(2023, 1, 1, tzinfo=UTC)
ExpectedLog = tuple[str, str, str, int | None, int, int]


@dataclass
class User:
    id: Any
    email: str
    password_hash: str | None
    tier: str | None
    created: int
    raw_created: Any
    is_valid: bool = True


@dataclass
class Expected:
    """By address: tier and date of users; logs as address, type, scale, pixels, milliseconds and moment."""

    users: dict[str, tuple[str, int]] = field(default_factory=dict)
    resets: set[str] = field(default_factory=set)
    logs: list[ExpectedLog] = field(default_factory=list)


def written(moment: int, form: int) -> Any:
    """A moment in one of the ways in which older apps wrote it; it has no more than whole seconds."""
    at = datetime.fromtimestamp(moment // 1_000_000, UTC)
    return (
        at.isoformat(),
        at.strftime("%Y-%m-%d %H:%M:%S"),
        at.strftime("%Y-%m-%dT%H:%M:%S.000Z"),
        int(at.timestamp()),
        int(at.timestamp() * 1000),
        str(int(at.timestamp())),
        at.astimezone(ZONES[form % len(ZONES)]).isoformat(),
    )[form % 7]


def _zones() -> list[Any]:
    from zoneinfo import ZoneInfo

    return [ZoneInfo("Asia/Kolkata"), ZoneInfo("America/St_Johns")]


ZONES = _zones()


def make_legacy(
    path: Path, users: int, logs: int, seed: int = 0, ids: Literal["integer", "uuid"] = "integer"
) -> Expected:
    """Of these sizes, with every nasty case in it."""
    rng, expected = random.Random(seed), Expected()
    connection = sqlite3.connect(path)
    connection.executescript(SCHEMA.format(id="INTEGER PRIMARY KEY" if ids == "integer" else "TEXT PRIMARY KEY"))
    people = [_user(rng, number, ids) for number in range(1, users + 1)]
    connection.executemany(
        "INSERT INTO users VALUES (?, ?, ?, ?, ?, ?)",
        [(one.id, one.email, one.password_hash, one.tier, one.raw_created, "x") for one in people],
    )
    connection.executemany("INSERT INTO sessions (user_id, token) VALUES (?, ?)", [(one.id, "t") for one in people])
    connection.execute("INSERT INTO processing_cache VALUES ('abc', '/tmp/abc.png')")
    kept = _kept(people, expected)
    connection.executemany(
        "INSERT INTO usage_logs (user_id, processing_type, image_size, processing_time, created_at) "
        "VALUES (?, ?, ?, ?, ?)",
        _logs(rng, people, kept, logs, ids, expected),
    )
    connection.commit()
    connection.close()
    return expected


def _user(rng: random.Random, number: int, ids: str) -> User:
    created = int((FIRST.timestamp() + rng.randrange(40_000_000)) * 1_000_000)
    email = f"User.{number}@Example.org"
    if number % 50 == 3:  # the one before her, in capitals
        email = f"user.{number - 1}@EXAMPLE.org"
    is_valid = number % 50 != 7
    if not is_valid:
        email = ("nobody", "a@b", "a b@example.org", "", "x@@example.org")[number // 50 % 5]
    raw = written(created, number)
    if number % 50 == 9:
        created, raw = 0, BAD_DATES[number // 50 % len(BAD_DATES)]
    identity = number if ids == "integer" else str(uuid.UUID(int=rng.getrandbits(128), version=4)).upper()
    return User(identity, email, HASHES[number % len(HASHES)], TIERS[number % len(TIERS)], created, raw, is_valid)


def _kept(people: list[User], expected: Expected) -> dict[Any, str]:
    """Whose logs go to which address, by old id; of two with one address, the newer is the account."""
    chosen: dict[str, User] = {}
    for one in people:
        if one.is_valid:
            email = one.email.lower()
            if email not in chosen or one.created >= chosen[email].created:
                chosen[email] = one
    for email, one in chosen.items():
        expected.users[email] = (TIER_OF.get(one.tier, one.tier or ""), one.created)
        if one.password_hash not in CARRIED:
            expected.resets.add(email)
    return {one.id: one.email.lower() for one in people if one.is_valid}


def _logs(
    rng: random.Random, people: list[User], kept: dict[Any, str], count: int, ids: str, expected: Expected
) -> Iterator[tuple[Any, ...]]:
    for number in range(count):
        owner = people[rng.randrange(len(people))]
        whose = owner.id
        if number % 97 == 5:
            whose = "nobody at all" if number % 2 else None
        elif ids == "integer" and number % 3 == 0:
            whose = str(whose)  # numbers as text, as some versions wrote them
        elif ids == "uuid" and number % 3 == 0:
            whose = str(whose).lower()
        kind = TYPES[number % len(TYPES)]
        size, pixels = SIZES[rng.randrange(len(SIZES))]
        spent, milliseconds = TIMES[rng.randrange(len(TIMES))]
        moment = int((FIRST.timestamp() + number * 97) * 1_000_000)
        raw = written(moment, number)
        is_dated = number % 101 != 8
        if not is_dated:
            raw = BAD_DATES[number % len(BAD_DATES)]
        yield whose, kind, size, spent, raw
        if is_dated and owner.id in kept and number % 97 != 5:
            expected.logs.append((kept[owner.id], kind or "(none)", SCALES[kind], pixels, milliseconds, moment))
