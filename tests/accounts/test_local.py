from __future__ import annotations

import stat
from pathlib import Path

import pytest

from daemon.accounts.caller import Caller
from daemon.accounts.local import OWNER, LocalAccess, local_access
from daemon.errors import InvalidToken

ACCESS = LocalAccess("right", b"secret")
ODD = ["", "wrong", "right ", "rightt", "é", "\udcff", "\ud800", "right\0"]


def test_the_token_lets_in_and_nothing_else_does() -> None:
    assert ACCESS.caller("right") == Caller(OWNER, is_admin=True)
    for token in ODD:
        with pytest.raises(InvalidToken):
            ACCESS.caller(token)


def test_a_ticket_is_for_one_job_and_ten_minutes() -> None:
    ticket = ACCESS.ticket("job", "ann", 1000.0)
    assert ACCESS.owner_by_ticket(ticket, "job", 1600.0) == "ann"
    for job, now, access in (("other", 1000.0, ACCESS), ("job", 1601.0, ACCESS), ("job", 1000.0, LocalAccess("", b""))):
        with pytest.raises(InvalidToken):
            access.owner_by_ticket(ticket, job, now)


@pytest.mark.parametrize("ticket", [*ODD, "9", "9.ann", "9.ann.", "x.ann.0", "9.ann.\udcff", ".."])
def test_a_forged_ticket_is_refused_whatever_it_looks_like(ticket: str) -> None:
    with pytest.raises(InvalidToken):
        ACCESS.owner_by_ticket(ticket, "job", 0.0)


def test_a_ticket_with_another_owner_or_a_later_end_is_refused() -> None:
    expires, owner, signature = ACCESS.ticket("job", "ann", 1000.0).split(".")
    for forged in (f"{expires}.bob.{signature}", f"{int(expires) + 1}.{owner}.{signature}"):
        with pytest.raises(InvalidToken):
            ACCESS.owner_by_ticket(forged, "job", 1000.0)


def test_a_proof_depends_on_challenge_process_and_port() -> None:
    proofs = {ACCESS.prove(*of) for of in (("a", 1, 2), ("b", 1, 2), ("a", 2, 2), ("a", 1, 3), ("\udcff", 1, 2))}
    assert len(proofs) == 5


def test_token_and_secret_are_made_once_and_for_the_user_alone(tmp_path: Path) -> None:
    token, secret = tmp_path / "state" / "token", tmp_path / "state" / "secret"
    first = local_access(token, secret)
    assert local_access(token, secret) == first
    assert first.token != first.secret.decode()
    assert len(first.token) >= 40
    for path in (token, secret):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert {path.name for path in token.parent.iterdir()} == {"token", "secret"}


def test_an_empty_file_or_one_half_made_is_made_anew(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("\n")
    (tmp_path / "token.new").write_text("half")
    access = local_access(tmp_path / "token", tmp_path / "secret")
    assert access.token == (tmp_path / "token").read_text().strip() != ""


def test_a_ticket_of_an_owner_with_dots_and_colons_is_told_apart() -> None:
    owner = "https://app.example.com:8443"
    assert ACCESS.owner_by_ticket(ACCESS.ticket("job", owner, 1000.0), "job", 1000.0) == owner
