from __future__ import annotations

import base64
import json

import pytest

from daemon.errors import WrongSettings
from daemon.migrate.destination import destination

URL = "https://abcdefgh.supabase.co"
SECRET = "sb_secret_0123456789abcdef"


def token(role: str) -> str:
    claims = base64.urlsafe_b64encode(json.dumps({"role": role}).encode()).decode().rstrip("=")
    return f"eyJhbGciOiJIUzI1NiJ9.{claims}.c2lnbmF0dXJl"


@pytest.mark.parametrize("name", ["SUPABASE_SECRET_KEY", "SUPABASE_SERVICE_ROLE_KEY"])
@pytest.mark.parametrize("key", [SECRET, token("service_role")])
def test_a_secret_key_is_taken_from_the_environment_and_not_shown(name: str, key: str) -> None:
    found = destination({"SUPABASE_URL": f"{URL}/", name: key})
    assert (found.url, found.key) == (URL, key)
    assert key not in repr(found)


@pytest.mark.parametrize("key", ["sb_publishable_0123456789abcdef", token("anon"), token("authenticated")])
def test_a_publishable_key_is_refused_with_the_reason_and_not_repeated(key: str) -> None:
    with pytest.raises(WrongSettings, match="publishable") as refused:
        destination({"SUPABASE_URL": URL, "SUPABASE_SECRET_KEY": key})
    assert key not in refused.value.message


def test_without_a_key_it_is_said_where_it_goes() -> None:
    with pytest.raises(WrongSettings, match="SUPABASE_SECRET_KEY"):
        destination({"SUPABASE_URL": URL})


@pytest.mark.parametrize("url", ["", "abcdefgh", "ftp://abcdefgh.supabase.co"])
def test_an_address_that_is_none_is_told(url: str) -> None:
    with pytest.raises(WrongSettings, match="SUPABASE_URL"):
        destination({"SUPABASE_URL": url, "SUPABASE_SECRET_KEY": SECRET})


def test_a_secret_key_is_not_sent_unencrypted_to_another_machine() -> None:
    with pytest.raises(WrongSettings, match="https"):
        destination({"SUPABASE_URL": "http://abcdefgh.supabase.co", "SUPABASE_SECRET_KEY": SECRET})
    assert destination({"SUPABASE_URL": "http://127.0.0.1:54321", "SUPABASE_SECRET_KEY": SECRET}).key == SECRET
