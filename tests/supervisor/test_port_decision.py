"""Whatever happens to ports between one start and the next, each start ends with the right listener.

A model of a small neighbourhood of ports beside real sockets: foreigners come and go, leftovers of ours stay behind,
ports close late, and what an earlier start had is inherited.
"""

from __future__ import annotations

import asyncio
import os
import socket
from random import Random

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from supervisor.port_holder import PortHolder
from supervisor.socket import RETRIES, Listener, listen_on, open_listener
from tests.supervisor.conftest import free_port

# Loopback addresses of our own, so that nobody else's ports come into the model.
HOST, OTHER_HOST = (f"127.{os.getpid() >> 16 & 255}.{os.getpid() >> 8 & 255}.{last}" for last in (41, 42))
STRANGER = PortHolder(HOST, pid=4_000_000, name="stranger")
NEIGHBOURS = st.integers(0, 2)


class Ports(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.base = free_port()
        self.foreign: dict[int, socket.socket] = {}
        self.leftover: dict[int, socket.socket] = {}
        self.closing: dict[int, tuple[socket.socket, int]] = {}  # and after how many looks it is closed
        self.listener: Listener | None = None
        self.stored: list[socket.socket] = []

    def teardown(self) -> None:
        self.supervisor_dies(stored=False)
        for sock in (*self.foreign.values(), *self.leftover.values(), *(sock for sock, _ in self.closing.values())):
            sock.close()

    def occupy(self, place: int) -> tuple[int, socket.socket | None]:
        return self.base + place, listen_on(HOST, self.base + place)

    @rule(place=NEIGHBOURS)
    def foreigner_comes(self, place: int) -> None:
        port, sock = self.occupy(place)
        if sock:
            self.foreign[port] = sock

    @rule(place=NEIGHBOURS)
    def foreigner_goes(self, place: int) -> None:
        if sock := self.foreign.pop(self.base + place, None):
            sock.close()

    @rule(place=NEIGHBOURS)
    def leftover_stays(self, place: int) -> None:
        port, sock = self.occupy(place)
        if sock:
            self.leftover[port] = sock

    @rule(place=NEIGHBOURS, looks=st.integers(1, RETRIES + 2))
    def port_is_closing(self, place: int, looks: int) -> None:
        port, sock = self.occupy(place)
        if sock:
            self.closing[port] = sock, looks

    @rule(place=NEIGHBOURS)
    def manager_hands_a_socket_of_another_address(self, place: int) -> None:
        if self.listener is None and (sock := listen_on(OTHER_HOST, self.base + place)):
            self.stored.append(sock)

    @rule(stored=st.booleans())
    def supervisor_dies(self, *, stored: bool) -> None:
        """Under systemd the chosen socket is in the descriptor store; without it, all is gone."""
        kept = [self.listener.sock] if self.listener and stored else []
        for sock in (*self.stored, *((self.listener.sock, *self.listener.extra) if self.listener else ())):
            if sock not in kept:
                sock.close()
        self.listener, self.stored = None, kept

    @rule(place=NEIGHBOURS | st.none())
    def supervisor_starts(self, place: int | None) -> None:
        if self.listener:
            self.supervisor_dies(stored=True)
        wanted = 0 if place is None else self.base + place
        foreign, late = set(self.foreign), {port for port, (_, looks) in self.closing.items() if looks > RETRIES}
        inherited = tuple(self.stored)
        addresses = {sock.getsockname() for sock in inherited}
        listener = asyncio.run(self.open(wanted, inherited))
        self.listener, self.stored = listener, []
        assert listener.host == HOST
        assert sorted(map(id, (listener.sock, *listener.extra))) == sorted({id(listener.sock), *map(id, inherited)}), (
            "an inherited socket is lost, or served twice"
        )
        assert set(self.foreign) == foreign
        assert listener.inherited == (listener.sock in inherited)
        if wanted:
            assert (listener.port == wanted) == (wanted not in foreign | late)
            assert listener.taken_by == ((STRANGER,) if wanted in foreign else ())
            assert listener.fell_back == (listener.port != wanted)
        if listener.port != wanted and any(host == HOST for host, _ in addresses):
            assert listener.inherited

    async def open(self, wanted: int, inherited: tuple[socket.socket, ...]) -> Listener:
        async def clear() -> bool:
            for sock in self.leftover.values():
                sock.close()
            cleared = bool(self.leftover)
            self.leftover.clear()
            return cleared

        async def sleep(_: float) -> None:
            for port, (sock, looks) in list(self.closing.items()):
                self.closing[port] = sock, looks - 1
                if looks == 1:
                    sock.close()
                    del self.closing[port]

        return await open_listener(
            HOST,
            wanted,
            random=Random(0),
            inherited=inherited,
            clear_ours=clear,
            find_holders=lambda _, port: (STRANGER,) if port in self.foreign else (),
            sleep=sleep,
        )

    @invariant()
    def strangers_still_listen(self) -> None:
        for sock in self.foreign.values():
            assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)

    @invariant()
    def the_listener_takes_connections(self) -> None:
        if self.listener:
            with socket.create_connection((self.listener.host, self.listener.port), timeout=5):
                pass


TestPorts = Ports.TestCase
TestPorts.settings = settings(max_examples=100, stateful_step_count=20, deadline=None)
