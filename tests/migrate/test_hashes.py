from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.migrate.hashes import HashKind, kind_of
from tests.migrate.admin_emulator import is_taken
from tests.migrate.legacy_files import ARGON2, BCRYPT, BCRYPT_PHP


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (BCRYPT, "bcrypt"),
        (BCRYPT_PHP, "bcrypt"),
        (BCRYPT.replace("$2b", "$2a").replace("$04", "$31"), "bcrypt"),
        (ARGON2, "argon2id"),
        (ARGON2.replace("argon2id", "argon2i"), "argon2i"),
        (BCRYPT.encode(), "bcrypt"),
    ],
)
def test_bcrypt_and_argon2_are_carried(value: Any, kind: str) -> None:
    assert kind_of(value) == HashKind(kind, is_carried=True)


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (None, "none"),
        ("", "none"),
        ("  ", "none"),
        (BCRYPT.replace("$2b", "$2x"), "bcrypt, old"),
        (BCRYPT.replace("$2b", "$2"), "bcrypt, old"),
        (ARGON2.replace("argon2id", "argon2d"), "argon2, beyond what is taken"),
        (ARGON2.replace("v=19", "v=16"), "argon2, beyond what is taken"),
        (ARGON2.replace("t=3", "t=21"), "argon2, beyond what is taken"),
        (ARGON2.replace("m=65536", "m=2097152"), "argon2, beyond what is taken"),
        (ARGON2.replace("p=4", "p=17"), "argon2, beyond what is taken"),
        ("pbkdf2:sha256:260000$salt$" + "a" * 64, "pbkdf2"),
        ("pbkdf2_sha256$260000$salt$hash", "django"),
        ("scrypt:32768:8:1$salt$hash", "scrypt"),
        ("$6$salt$hash", "crypt"),
        ("$P$Bsalt", "phpass"),
        ("d41d8cd98f00b204e9800998ecf8427e", "md5, bare"),
        ("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", "sha256, bare"),
        ("$bcrypt-sha256$v=2,t=2b,r=12$salt$hash", "bcrypt-sha256"),
    ],
)
def test_others_are_known_and_mean_a_new_password(value: Any, kind: str) -> None:
    assert kind_of(value) == HashKind(kind, is_carried=False)


@pytest.mark.parametrize(
    "value", ["secret", BCRYPT[:-1], BCRYPT.replace("$04", "$03"), BCRYPT + "x", "$argon2id$v=19", 5]
)
def test_what_is_cut_off_or_of_no_known_kind_needs_a_ruling(value: Any) -> None:
    assert kind_of(value) == HashKind("unknown", is_carried=False)


@given(
    st.one_of(st.text(), st.builds(lambda one, end: one[:end], st.sampled_from([BCRYPT, ARGON2]), st.integers(0, 99)))
)
def test_nothing_is_carried_that_the_project_would_not_take(value: str) -> None:
    assert not kind_of(value).is_carried or is_taken(value)
