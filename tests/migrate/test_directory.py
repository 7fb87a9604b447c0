"""Accounts are found by a list that skips and repeats, and what is not found so is not believed to be free."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from typing import Any

import pytest

from daemon.migrate.directory import MOST_PASSES, account_of, has_account, list_accounts
from daemon.migrate.emails import digest
from daemon.migrate.ids import as_bytes
from daemon.migrate.ledger import Ledger, scratch_ledger

RUN = "a run"
PEOPLE = [{"id": str(uuid.UUID(int=number + 1)), "email": f"user.{number}@example.org"} for number in range(6)]


class Listing:
    """An admin API whose passes are given, each as pages; the last one again and again."""

    def __init__(self, *passes: list[list[dict[str, Any]]], total: int | None = len(PEOPLE)) -> None:
        self.passes = list(passes)
        self.total = total

    async def pages(self) -> AsyncIterator[tuple[list[dict[str, Any]], int | None]]:
        for page in self.passes.pop(0) if len(self.passes) > 1 else self.passes[0]:
            yield page, self.total


@pytest.fixture
def ledger() -> Ledger:
    return scratch_ledger()


async def listed(ledger: Ledger, listing: Listing) -> int:
    return await list_accounts(listing, ledger, RUN)  # type: ignore[arg-type]


def found(ledger: Ledger) -> set[str]:
    return {one["email"] for one in PEOPLE if account_of(ledger, digest(one["email"], RUN)) == as_bytes(one["id"])}


async def test_a_list_that_is_whole_is_gone_through_twice(ledger: Ledger) -> None:
    assert await listed(ledger, Listing([PEOPLE[:3], PEOPLE[3:]])) == 2
    assert len(found(ledger)) == 6


async def test_of_an_empty_project_one_pass_is_enough(ledger: Ledger) -> None:
    assert await listed(ledger, Listing([], total=None)) == 1


async def test_one_that_a_pass_skipped_is_found_by_the_next(ledger: Ledger) -> None:
    skipped, whole = [PEOPLE[:3], PEOPLE[2:3], PEOPLE[4:]], [PEOPLE[:3], PEOPLE[3:]]
    assert await listed(ledger, Listing(skipped, whole)) == 3
    assert len(found(ledger)) == 6


async def test_one_that_is_skipped_again_is_missed_by_the_projects_own_count(ledger: Ledger) -> None:
    skipped, whole = [PEOPLE[:3], PEOPLE[4:]], [PEOPLE[:3], PEOPLE[3:]]
    assert await listed(ledger, Listing(skipped, skipped, skipped, whole)) == 5
    assert len(found(ledger)) == 6


async def test_a_count_that_is_never_reached_does_not_keep_it_for_ever(ledger: Ledger) -> None:
    assert await listed(ledger, Listing([PEOPLE], total=100)) == MOST_PASSES


async def test_accounts_of_other_name_spaces_and_without_an_address_are_no_ones(ledger: Ledger) -> None:
    people: list[dict[str, Any]] = [
        {**PEOPLE[0], "is_sso_user": True},
        {**PEOPLE[1], "email": ""},
        {**PEOPLE[2], "email": "User.2@Example.org"},
    ]
    await listed(ledger, Listing([people], total=None))
    assert found(ledger) == {"user.2@example.org"}
    assert has_account(ledger, as_bytes(PEOPLE[1]["id"]))
