"""Who has a port, in a sentence that a person can act on."""

from __future__ import annotations

import os
import pwd
import socket
import subprocess
import sys
from datetime import UTC, datetime
from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervisor import listening, port_holder
from supervisor.address import conflicts
from supervisor.port_holder import PortHolder, find_port_holders, state_dir_told
from tests.supervisor.conftest import ROOT, free_port
from tests.supervisor.decoys import NOBODY, decoy, needs_root, needs_unshare

ADDRESSES = st.one_of(st.ip_addresses(), st.sampled_from([IPv4Address(0), IPv6Address(0), IPv6Address(1)])).map(str)


@pytest.mark.parametrize(("listening", "wanted", "found"), [
    ("127.0.0.1", "127.0.0.1", True),
    ("0.0.0.0", "127.0.0.1", True),
    ("127.0.0.1", "0.0.0.0", True),
    ("127.0.0.2", "127.0.0.1", False),
])  # fmt: skip
def test_a_holder_is_found_where_its_address_excludes_ours(listening: str, wanted: str, *, found: bool) -> None:
    with socket.create_server((listening, free_port())) as server:
        holders = find_port_holders(wanted, server.getsockname()[1])
        assert [holder.pid for holder in holders] == ([os.getpid()] if found else [])


@given(one=ADDRESSES, other=ADDRESSES)
def test_two_addresses_exclude_each_other_both_ways(one: str, other: str) -> None:
    assert conflicts(one, other) == conflicts(other, one)
    assert conflicts(one, one)


@pytest.mark.parametrize("one", ["127.0.0.1", "127.0.0.2", "0.0.0.0", "::1", "::"])
@pytest.mark.parametrize("other", ["127.0.0.1", "127.0.0.2", "0.0.0.0", "::1", "::"])
def test_addresses_exclude_each_other_as_the_kernel_has_it(one: str, other: str) -> None:
    def listen(host: str, port: int) -> socket.socket:
        sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind((host, port))
            sock.listen()
        except OSError:
            sock.close()
            raise
        return sock

    with listen(one, free_port()) as first:
        try:
            listen(other, first.getsockname()[1]).close()
            excluded = False
        except OSError:
            excluded = True
    assert conflicts(one, other) == excluded


def test_nobody_holds_a_port_that_is_free() -> None:
    assert find_port_holders("127.0.0.1", free_port()) == ()


@pytest.mark.parametrize(("holder", "sentence"), [
    (PortHolder("0.0.0.0"), "a process that this user cannot see (on 0.0.0.0)"),
    (PortHolder("::", user="www"), "a process of user www that this user cannot see (on ::)"),
    (PortHolder("127.0.0.1", pid=7, name="nginx", user="www"), "nginx (pid 7, user www)"),
    (PortHolder("::1", pid=7, sharing=4), "a process (pid 7, with 4 more of its processes)"),
    (PortHolder("::1", pid=7, name="node", in_container=True), "node (pid 7, in a container)"),
    (
        PortHolder("::1", pid=7, name="python3", user="me", state_dir="/home/me/x"),
        "another Pro Engine (pid 7, user me, state folder /home/me/x)",
    ),
    (PortHolder("::1", pid=os.getpid(), name="python3"), "this service itself (on ::1)"),
])  # fmt: skip
def test_a_holder_is_said_in_words(holder: PortHolder, sentence: str) -> None:
    assert str(holder) == sentence


def test_since_when_is_said_in_local_time() -> None:
    since = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert f"since {since.astimezone():%Y-%m-%d %H:%M:%S}" in str(PortHolder("::1", pid=7, since=since))


def test_the_oldest_stands_for_all_that_share_a_listener() -> None:
    port = free_port()
    with decoy("--listen", f"127.0.0.1:{port}", "--share", 3) as server:
        (holder,) = find_port_holders("127.0.0.1", port)
        assert (holder.pid, holder.sharing) == (server.pid, 3)
        assert holder.user
        assert holder.since
        assert (datetime.now(UTC) - holder.since).total_seconds() < 60
        assert server.alive


@needs_root
def test_of_a_process_that_is_hidden_its_user_is_told() -> None:
    port = free_port()
    says = f"import supervisor.port_holder as p; print(*p.find_port_holders('127.0.0.1', {port}))"
    with decoy("--listen", f"127.0.0.1:{port}"):
        done = subprocess.run(
            ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", sys.executable, "-P", "-c", says],
            env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False,
        )  # fmt: skip
    if "Permission denied" in done.stderr:
        pytest.skip("the interpreter is in a folder that other users may not enter")
    assert done.stdout == "a process of user root that this user cannot see (on 127.0.0.1)\n"


@needs_unshare
def test_a_holder_in_a_container_is_said_to_be_in_one() -> None:
    port = free_port()
    with decoy("--listen", f"127.0.0.1:{port}", container=True) as contained:
        (holder,) = find_port_holders("127.0.0.1", port)
        assert holder.in_container
        assert holder.pid == contained.pid


@pytest.mark.parametrize(("environ", "command", "told"), [
    ({"PRO_ENGINE_STATE_DIR": "/s", "PRO_ENGINE_INSTANCE": "x"}, ["python3"], "/s"),
    ({"PRO_ENGINE_STATE_DIR": "/s"}, ["python3", "-P", "-m", "supervisor"], "/s"),
    ({"PRO_ENGINE_STATE_DIR": "/s"}, ["python3", "-m", "daemon"], "/s"),
    ({"PRO_ENGINE_STATE_DIR": "/s"}, ["vim", "supervisor"], None),
    ({"PRO_ENGINE_INSTANCE": "x"}, ["python3"], None),
    ({}, ["python3", "-m", "supervisor"], None),
])  # fmt: skip
def test_a_pro_engine_is_known_by_more_than_a_variable(
    environ: dict[str, str], command: list[str], told: str | None
) -> None:
    assert state_dir_told(environ, command) == told


def test_another_pro_engine_is_named_with_its_state_folder() -> None:
    port = free_port()
    environ = {"PRO_ENGINE_STATE_DIR": "/somewhere/else", "PRO_ENGINE_INSTANCE": "another"}
    with decoy("--listen", f"127.0.0.1:{port}", environ=environ) as other:
        (holder,) = find_port_holders("127.0.0.1", port)
        assert str(holder).startswith(f"another Pro Engine (pid {other.pid}, ")
        assert "state folder /somewhere/else" in str(holder)


def test_where_the_kernel_has_no_list_each_process_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on macOS."""
    monkeypatch.setattr(listening, "TABLES", ())
    port = free_port()
    with decoy("--listen", f"127.0.0.1:{port}", "--share", 1) as server:
        (holder,) = find_port_holders("127.0.0.1", port)
        assert (holder.pid, holder.sharing) == (server.pid, 1)
        assert find_port_holders("127.0.0.2", port) == ()


def test_a_process_that_is_gone_before_it_is_described_is_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(port_holder, "sockets_by_pid", lambda sockets: [(4_194_305, sockets[0])])
    with socket.create_server(("127.0.0.1", free_port())) as server:
        assert find_port_holders(*server.getsockname()) == (
            PortHolder("127.0.0.1", user=pwd.getpwuid(os.getuid()).pw_name),
        )


def test_a_strangers_name_has_no_say_in_our_terminal_and_no_line_of_its_own() -> None:
    """A process chooses its name, and the environment in which we look for a folder."""
    evil = "\x1b]0;x\x07\x1b[2J\nREADY=1\r\u202e\udcff" + "x" * 100_000
    shown = str(PortHolder("127.0.0.1", 1, evil, "me")) + str(PortHolder("127.0.0.1", 1, None, "me", state_dir=evil))
    assert shown.isprintable()
    assert len(shown) < 1000
    assert str(PortHolder("127.0.0.1", 1, "Grüße 2", "me")).startswith("Grüße 2 (pid 1")
