from __future__ import annotations

import pytest

from daemon.accounts.login import CODE_SECONDS, MOST_CODES, LoginCodes
from daemon.errors import InvalidToken
from tests.accounts.test_pairing import ODD, numbers
from tests.store.rows import Clock


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def codes(clock: Clock) -> LoginCodes:
    return LoginCodes(clock, numbers())


def test_a_code_works_once(codes: LoginCodes) -> None:
    code, other = codes.make(1000), codes.make(1000)
    assert code != other
    codes.redeem(code, 1000)
    for wrong in [code, *ODD, other[:-1]]:
        with pytest.raises(InvalidToken):
            codes.redeem(wrong, 1000)
    codes.redeem(other, 1000)


def test_a_code_works_for_a_minute(codes: LoginCodes, clock: Clock) -> None:
    in_time, late = codes.make(1000), codes.make(1000)
    clock.now += CODE_SECONDS - 1
    codes.redeem(in_time, 1000)
    clock.now += 1
    with pytest.raises(InvalidToken):
        codes.redeem(late, 1000)


def test_another_user_of_the_machine_cannot_use_a_code_and_uses_it_up(codes: LoginCodes) -> None:
    code = codes.make(1000)
    with pytest.raises(InvalidToken, match="another user"):
        codes.redeem(code, 1001)
    with pytest.raises(InvalidToken):
        codes.redeem(code, 1000)


@pytest.mark.parametrize(("asked", "came"), [(1000, 0), (None, 1000), (1000, None), (None, None), (0, 0)])
def test_root_and_whoever_is_not_known_is_no_other_user(codes: LoginCodes, asked: int | None, came: int | None) -> None:
    codes.redeem(codes.make(asked), came)


def test_codes_that_nobody_uses_do_not_pile_up(codes: LoginCodes) -> None:
    made = [codes.make(1000) for _ in range(MOST_CODES + 1)]
    with pytest.raises(InvalidToken):
        codes.redeem(made[0], 1000)
    for code in made[1:]:
        codes.redeem(code, 1000)
