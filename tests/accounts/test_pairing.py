"""Pairing by an injected clock and injected randomness, over a real store."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import sqlite3
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from daemon.accounts import pairing_requests
from daemon.accounts.caller import Caller
from daemon.accounts.pairing import USE_SECONDS, Pairings
from daemon.accounts.pairing_requests import ASK_SECONDS, CLAIM_SECONDS, MOST, MOST_OF_AN_ORIGIN, clean_name
from daemon.errors import (
    DiskFull,
    InvalidToken,
    NotFound,
    PairingDenied,
    PairingExpired,
    TooManyPairings,
    WrongPairingCode,
)
from daemon.store import pairings as rows
from daemon.store.database import Database, open_database
from tests.store.rows import Clock

ORIGIN, OTHER = "http://localhost:3002", "https://app.example.com"
ODD = ["", "x", "é", "\udcff", "\ud800", "a\0"]


def numbers() -> Any:
    """Randomness that a test can foresee: no two words are the same."""
    count = itertools.count(1)
    return lambda size: hashlib.shake_128(next(count).to_bytes(4, "big")).digest(size)


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    opened = await open_database(tmp_path / "store.db")
    yield opened
    await opened.close()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def pairings(database: Database, clock: Clock) -> Pairings:
    return Pairings(database, clock, clock, numbers())


async def paired(pairings: Pairings, origin: str = ORIGIN) -> str:
    made, secret = pairings.requests.ask(origin, "Pro Upscaler")
    pairings.requests.approve(made.id, made.code)
    token = await pairings.claim(made.id, secret, origin)
    assert token is not None
    return token


async def test_a_page_that_was_approved_gets_a_token_that_works_for_its_origin_and_no_other(pairings: Pairings) -> None:
    made, secret = pairings.requests.ask(ORIGIN, "Pro Upscaler")
    assert await pairings.claim(made.id, secret, ORIGIN) is None
    pairings.requests.approve(made.id, None)
    token = await pairings.claim(made.id, secret, ORIGIN)
    assert token is not None
    assert len(token) == 64
    assert pairings.caller(token, ORIGIN) == Caller(ORIGIN, is_admin=False, pairing=made.id)
    for origin in (OTHER, None, "", ORIGIN + "/", ORIGIN.upper(), "null"):
        with pytest.raises(InvalidToken):
            pairings.caller(token, origin)
    for other in [*ODD, token[:-1], token.upper(), secret]:
        assert pairings.caller(other, ORIGIN) is None


async def test_a_token_is_claimed_once_also_by_two_at_the_same_time(pairings: Pairings) -> None:
    made, secret = pairings.requests.ask(ORIGIN, "")
    pairings.requests.approve(made.id, None)
    claims = [pairings.claim(made.id, secret, ORIGIN) for _ in range(5)]
    outcomes = await asyncio.gather(*claims, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [str, *[PairingExpired] * 4]
    assert len(pairings.granted()) == 1


async def test_neither_the_secret_without_its_origin_nor_the_origin_without_its_secret_claims(
    pairings: Pairings,
) -> None:
    made, secret = pairings.requests.ask(ORIGIN, "")
    pairings.requests.approve(made.id, None)
    for wrong, origin in [(secret, OTHER), *((odd, ORIGIN) for odd in ODD), (secret[:-1], ORIGIN)]:
        with pytest.raises(InvalidToken):
            await pairings.claim(made.id, wrong, origin)
    with pytest.raises(PairingExpired):
        await pairings.claim("unknown", secret, ORIGIN)
    assert await pairings.claim(made.id, secret, ORIGIN) is not None


async def test_a_request_lives_five_minutes_and_an_approval_leaves_the_page_a_minute_more(
    pairings: Pairings, clock: Clock
) -> None:
    late, late_secret = pairings.requests.ask(ORIGIN, "")
    unanswered, unanswered_secret = pairings.requests.ask(ORIGIN, "")
    clock.now += ASK_SECONDS - 1
    pairings.requests.approve(late.id, None)
    clock.now += CLAIM_SECONDS - 1
    with pytest.raises(PairingExpired):
        await pairings.claim(unanswered.id, unanswered_secret, ORIGIN)
    with pytest.raises(NotFound):
        pairings.requests.approve(unanswered.id, None)
    assert await pairings.claim(late.id, late_secret, ORIGIN) is not None


async def test_after_a_denial_there_is_no_token_and_no_second_thought(pairings: Pairings) -> None:
    made, secret = pairings.requests.ask(ORIGIN, "")
    for _ in range(2):
        pairings.requests.deny(made.id)
        with pytest.raises(PairingDenied):
            await pairings.claim(made.id, secret, ORIGIN)
        with pytest.raises(PairingDenied):
            pairings.requests.approve(made.id, None)
    assert pairings.requests.open() == []


async def test_an_approval_can_be_taken_back_until_the_page_has_come(pairings: Pairings) -> None:
    made, secret = pairings.requests.ask(ORIGIN, "")
    pairings.requests.approve(made.id, None)
    pairings.requests.deny(made.id)
    with pytest.raises(PairingDenied):
        await pairings.claim(made.id, secret, ORIGIN)


async def test_a_denial_while_the_token_is_being_kept_wins(
    pairings: Pairings, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, secret = pairings.requests.ask(ORIGIN, "")
    pairings.requests.approve(made.id, None)

    def insert(connection: sqlite3.Connection, pairing: rows.Pairing) -> None:
        pairings.requests.deny(made.id)
        original(connection, pairing)

    original = rows.insert
    monkeypatch.setattr(rows, "insert", insert)
    with pytest.raises(PairingDenied):
        await pairings.claim(made.id, secret, ORIGIN)
    assert pairings.granted() == []
    assert await database.read(rows.live) == []


async def test_where_the_store_is_full_no_token_is_given_and_the_page_may_come_again(
    pairings: Pairings, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, secret = pairings.requests.ask(ORIGIN, "")
    pairings.requests.approve(made.id, None)

    def full(*_: Any) -> None:
        raise DiskFull("no room")

    with monkeypatch.context() as broken:
        broken.setattr(rows, "insert", full)
        with pytest.raises(DiskFull):
            await pairings.claim(made.id, secret, ORIGIN)
    assert await pairings.claim(made.id, secret, ORIGIN) is not None


async def test_only_the_request_whose_code_was_seen_is_approved(pairings: Pairings) -> None:
    made, secret = pairings.requests.ask(ORIGIN, "")
    other, _ = pairings.requests.ask(ORIGIN, "")
    for wrong in (other.code, "", made.code[:-1], *ODD):
        with pytest.raises(WrongPairingCode):
            pairings.requests.approve(made.id, wrong)
    assert await pairings.claim(made.id, secret, ORIGIN) is None
    pairings.requests.approve(made.id, f" {made.code.lower().replace('-', ' ')}")
    assert await pairings.claim(made.id, secret, ORIGIN) is not None


def test_codes_are_short_and_no_two_that_wait_are_the_same(pairings: Pairings) -> None:
    codes = {pairings.requests.ask(f"http://localhost:{n}", "")[0].code for n in range(MOST)}
    assert len(codes) == MOST
    for code in codes:
        assert len(code) == 7
        assert not set(code) & set("01IOio")


def test_a_page_asks_three_times_at_most_and_a_denial_does_not_let_it_ask_again(
    pairings: Pairings, clock: Clock
) -> None:
    for _ in range(MOST_OF_AN_ORIGIN):
        pairings.requests.deny(pairings.requests.ask(ORIGIN, "")[0].id)
        clock.now += 10
    with pytest.raises(TooManyPairings) as refused:
        pairings.requests.ask(ORIGIN, "")
    assert refused.value.details["retry_after"] == ASK_SECONDS - 30
    pairings.requests.ask(OTHER, "")
    clock.now += ASK_SECONDS - 30
    pairings.requests.ask(ORIGIN, "")


def test_all_pages_together_ask_twenty_times_at_most(pairings: Pairings) -> None:
    for number in range(MOST):
        pairings.requests.ask(f"http://localhost:{number}", "")
    with pytest.raises(TooManyPairings):
        pairings.requests.ask(ORIGIN, "")


async def test_a_page_that_got_its_token_may_ask_again(pairings: Pairings) -> None:
    for _ in range(MOST_OF_AN_ORIGIN + 1):
        await paired(pairings)
    assert len(pairings.granted()) == MOST_OF_AN_ORIGIN + 1


@pytest.mark.parametrize(
    ("name", "clean"),
    [
        ("Pro Upscaler", "Pro Upscaler"),
        ("  a\n\tb\x1b[2Jc ", "a b [2Jc"),
        ("\u202eelpmaxe\u2066", "elpmaxe"),
        ("x" * 200, "x" * 64),
        ("\ud800", ""),
        ("猫", "猫"),
    ],
)
def test_a_name_cannot_change_how_it_is_shown(name: str, clean: str) -> None:
    assert clean_name(name) == clean


async def test_a_revoked_token_is_nobodys_and_the_others_work_on(pairings: Pairings, clock: Clock) -> None:
    first, second, other = await paired(pairings), await paired(pairings), await paired(pairings, OTHER)
    caller = pairings.caller(first, ORIGIN)
    assert caller is not None
    assert caller.pairing is not None
    clock.now += 1
    revoked = await pairings.revoke(caller.pairing)
    clock.now += 1
    assert (await pairings.revoke(caller.pairing)).revoked_at == revoked.revoked_at == clock.now - 1
    assert pairings.caller(first, ORIGIN) is None
    assert pairings.caller(second, ORIGIN) is not None
    assert pairings.caller(other, OTHER) is not None
    assert not pairings.is_shut_out(ORIGIN)
    with pytest.raises(NotFound):
        await pairings.revoke("unknown")


async def test_where_the_store_fails_a_token_is_revoked_all_the_same_and_shown_until_it_is_for_good(
    pairings: Pairings, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = await paired(pairings)
    pairing = pairings.granted()[0].id

    def full(*_: Any) -> None:
        raise DiskFull("no room")

    with monkeypatch.context() as broken:
        broken.setattr(rows, "revoke", full)
        with pytest.raises(DiskFull):
            await pairings.revoke(pairing)
    assert pairings.caller(token, ORIGIN) is None
    assert pairings.is_shut_out(ORIGIN)
    assert [shown.id for shown in pairings.granted()] == [pairing]
    await pairings.revoke(pairing)
    assert pairings.granted() == []


async def test_owners_that_are_no_pages_are_never_shut_out(pairings: Pairings) -> None:
    for owner in ("local", "", "5a0c", OTHER):
        assert pairings.is_shut_out(owner) is (owner == OTHER)


async def test_the_next_daemon_knows_the_same_pages_and_the_store_no_token(
    pairings: Pairings, database: Database, tmp_path: Path
) -> None:
    kept, revoked = await paired(pairings), await paired(pairings, OTHER)
    await pairings.revoke(pairings.granted()[1].id)
    following = Pairings(database, Clock(), Clock(), numbers())
    assert following.caller(kept, ORIGIN) is None
    await following.load()
    assert following.caller(kept, ORIGIN) == pairings.caller(kept, ORIGIN) is not None
    assert following.caller(revoked, OTHER) is None
    await pairings.close()
    await following.close()
    for file in tmp_path.iterdir():
        assert kept.encode() not in file.read_bytes()


async def test_a_use_is_noted_once_a_minute_whatever_the_clock_does(
    pairings: Pairings, database: Database, clock: Clock
) -> None:
    token = await paired(pairings)
    start = clock.now

    async def noted() -> float | None:
        pairings.caller(token, ORIGIN)
        await pairings.close()
        (pairing,) = await database.read(rows.live)
        assert pairings.granted() == [pairing]
        return pairing.last_used_at

    assert await noted() == start
    clock.now = start + USE_SECONDS - 1
    assert await noted() == start
    clock.now = start + USE_SECONDS
    assert await noted() == start + USE_SECONDS
    clock.now = start - 1000
    assert await noted() == start - 1000


async def test_a_use_that_cannot_be_noted_lets_the_page_in_all_the_same(
    pairings: Pairings, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = await paired(pairings)

    def full(*_: Any, **__: Any) -> None:
        raise DiskFull("no room")

    monkeypatch.setattr(rows, "note_use", full)
    assert pairings.caller(token, ORIGIN) is not None
    await pairings.close()


class Machine(RuleBasedStateMachine):
    """Whatever is asked, answered, claimed and revoked, in whatever order: a page has a token only if the user said yes
    before the request expired, it got it once, and it works until it is revoked.
    """

    requests = Bundle("requests")

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.runner = asyncio.Runner()
        self.clock = Clock()
        self.random = numbers()
        self.database: Database = self.runner.run(open_database(Path(self.folder.name) / "store.db"))
        self.pairings = Pairings(self.database, self.clock, self.clock, self.random)
        self.asked: dict[str, float] = {}  # deadlines
        self.approved: set[str] = set()
        self.denied: set[str] = set()
        self.tokens: dict[str, tuple[str, str]] = {}  # by the request: token and Origin
        self.revoked: set[str] = set()

    def teardown(self) -> None:
        self.runner.run(self.pairings.close())
        self.runner.run(self.database.close())
        self.runner.close()
        self.folder.cleanup()

    def is_open(self, request: str) -> bool:
        return self.clock.now < self.asked.get(request, 0) and request not in self.tokens

    @rule(target=requests, origin=st.sampled_from([ORIGIN, OTHER]))
    def ask(self, origin: str) -> tuple[str, str, str]:
        try:
            made, secret = self.pairings.requests.ask(origin, "a page")
        except TooManyPairings:
            return ("none", "none", origin)
        self.asked[made.id] = self.clock.now + ASK_SECONDS
        return (made.id, secret, origin)

    @rule(request=requests)
    def approve(self, request: tuple[str, str, str]) -> None:
        try:
            self.pairings.requests.approve(request[0], None)
        except NotFound:
            assert not self.is_open(request[0])
        except PairingDenied:
            assert request[0] in self.denied
        else:
            assert self.is_open(request[0])
            if request[0] not in self.approved:
                self.asked[request[0]] = max(self.asked[request[0]], self.clock.now + CLAIM_SECONDS)
            self.approved.add(request[0])

    @rule(request=requests)
    def deny(self, request: tuple[str, str, str]) -> None:
        try:
            self.pairings.requests.deny(request[0])
        except NotFound:
            assert not self.is_open(request[0])
        else:
            self.denied.add(request[0])

    @rule(request=requests, origin=st.sampled_from([ORIGIN, OTHER]), knows=st.booleans())
    def claim(self, request: tuple[str, str, str], origin: str, *, knows: bool) -> None:
        number, secret, own = request
        may = self.is_open(number) and number in self.approved - self.denied and knows and origin == own
        try:
            token = self.runner.run(self.pairings.claim(number, secret if knows else "0" * 64, origin))
        except (InvalidToken, PairingDenied, PairingExpired):
            assert not may
            return
        assert (token is not None) is may
        if token is not None:
            self.tokens[number] = (token, own)

    @rule(request=consumes(requests))
    def revoke(self, request: tuple[str, str, str]) -> None:
        try:
            self.runner.run(self.pairings.revoke(request[0]))
        except NotFound:
            assert request[0] not in self.tokens
        else:
            self.revoked.add(request[0])

    @rule(seconds=st.sampled_from([1.0, CLAIM_SECONDS, ASK_SECONDS]))
    def let_time_pass(self, seconds: float) -> None:
        self.clock.now += seconds

    @rule()
    def restart(self) -> None:
        self.runner.run(self.pairings.close())
        self.pairings = Pairings(self.database, self.clock, self.clock, self.random)
        self.runner.run(self.pairings.load())
        self.asked.clear()

    @invariant()
    def who_is_let_in_is_who_was_approved(self) -> None:
        async def let_in() -> set[str]:  # inside a loop, where uses are noted
            return {number for number, (token, own) in self.tokens.items() if self.pairings.caller(token, own)}

        assert self.runner.run(let_in()) == self.tokens.keys() - self.revoked
        assert {pairing.id for pairing in self.pairings.granted()} == self.tokens.keys() - self.revoked
        assert len(self.pairings.requests.open()) <= MOST_OF_AN_ORIGIN * 2


TestMachine = pytest.mark.timeout(120)(Machine.TestCase)
TestMachine.settings = settings(
    max_examples=60, stateful_step_count=25, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)


def test_the_alphabet_has_a_sign_for_each_value_of_five_bits() -> None:
    assert len(set(pairing_requests.ALPHABET)) == 32
