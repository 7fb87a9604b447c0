"""Kinds of password hashes, and which of them Supabase Auth takes over, so that users keep their passwords.

By supabase/auth: `NewUserWithPasswordHash` and `ParseArgon2Hash`. It reads a hash when it creates a user and never
again, and answers 500 to one that it does not take, so what it takes is decided here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

_BCRYPT: Final = re.compile(r"\$2[aby]\$(\d\d)\$[./A-Za-z0-9]{53}")
_BCRYPT_COSTS: Final = range(4, 32)
_ARGON2: Final = re.compile(
    r"\$(argon2(?:i|id))\$v=19\$m=(\d{1,10}),t=(\d{1,4}),p=(\d{1,4})\$[A-Za-z0-9+/]+\$[A-Za-z0-9+/]+"
)
_ARGON2_KIBIBYTES, _ARGON2_PASSES, _ARGON2_LANES = 1 << 20, 20, 16
# Kinds that are known and cannot be carried: their users set a new password.
_OTHERS: Final = tuple(
    (name, re.compile(pattern, re.IGNORECASE))
    for name, pattern in (
        ("argon2, beyond what is taken", r"\$argon2.*"),
        ("bcrypt, old", r"\$2x?\$.*"),
        ("bcrypt-sha256", r"\$bcrypt-sha256\$.*"),
        ("django", r"(pbkdf2_sha\d+|bcrypt(_sha256)?|argon2|scrypt|md5|sha1)\$.*"),
        ("pbkdf2", r"(\$pbkdf2.*|pbkdf2:.*)"),
        ("scrypt", r"(\$scrypt\$.*|\$7\$.*|scrypt:.*)"),
        ("crypt", r"\$(1|5|6|y|apr1)\$.*"),
        ("phpass", r"\$[PH]\$.*"),
        ("md5, bare", r"[0-9a-f]{32}"),
        ("sha1, bare", r"[0-9a-f]{40}"),
        ("sha256, bare", r"[0-9a-f]{64}"),
        ("sha512, bare", r"[0-9a-f]{128}"),
    )
)
NONE: Final = "none"
UNKNOWN: Final = "unknown"


@dataclass(frozen=True)
class HashKind:
    name: str
    is_carried: bool


def kind_of(value: Any) -> HashKind:
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else value
    if text is None or (isinstance(text, str) and not text.strip()):
        return HashKind(NONE, is_carried=False)
    if not isinstance(text, str):
        return HashKind(UNKNOWN, is_carried=False)
    if (bcrypt := _BCRYPT.fullmatch(text)) and int(bcrypt[1]) in _BCRYPT_COSTS:
        return HashKind("bcrypt", is_carried=True)
    if (argon2 := _ARGON2.fullmatch(text)) and _is_taken(*map(int, argon2.groups()[1:])):
        return HashKind(argon2[1], is_carried=True)
    if argon2 is None and text.startswith("$argon2") and not re.fullmatch(r"\$argon2(d|i|id)\$.*\$.+\$.+", text):
        return HashKind(UNKNOWN, is_carried=False)  # cut off
    name = next((name for name, pattern in _OTHERS if pattern.fullmatch(text)), UNKNOWN)
    return HashKind(name, is_carried=False)


def _is_taken(kibibytes: int, passes: int, lanes: int) -> bool:
    return 0 < kibibytes <= _ARGON2_KIBIBYTES and 0 < passes <= _ARGON2_PASSES and 0 < lanes <= _ARGON2_LANES
