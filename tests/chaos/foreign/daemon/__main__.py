"""A stranger that happens to be called as our daemon is. It tells each signal that reaches it, and listens if asked to.

What it answers looks like our `/health` as far as a stranger can make it look so: the proof is wrong. Asked to `steal`,
it takes the port for moments only, again and again, as if it raced with whoever starts there.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import socket
import sys
import threading
import time

BODY = json.dumps({"status": "healthy", "pid": os.getpid(), "proof": "0" * 64})
ANSWER = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(BODY)}\r\n\r\n{BODY}".encode()
OURS = set(signal.Signals) - {signal.SIGKILL, signal.SIGSTOP, signal.SIGCHLD}


def tell(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def listen(host: str, port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if ":" in host:
        listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    listener.bind((host, port))
    listener.listen()
    return listener


def answer(listener: socket.socket) -> None:
    while True:
        with listener.accept()[0] as connection, contextlib.suppress(OSError):
            connection.recv(65536)
            connection.sendall(ANSWER)


def steal(host: str, port: int) -> None:
    while True:
        with contextlib.suppress(OSError), listen(host, port):
            time.sleep(random.uniform(0, 0.01))
        time.sleep(random.uniform(0, 0.005))


for number in OURS:
    signal.signal(number, lambda got, _frame: tell(f"signal {signal.Signals(got).name}"))
match sys.argv[1:]:
    case [host, port, "steal"]:
        threading.Thread(target=steal, args=[host, int(port)], daemon=True).start()
    case [host, port]:
        threading.Thread(target=answer, args=[listen(host, int(port))], daemon=True).start()
tell("ready")
while True:
    signal.pause()
