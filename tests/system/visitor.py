"""Runs inside the machine and uses the service as any program on it would, with the standard library alone.

`visitor.py load N` asks for /health over a fresh connection each time, with N at once, until its standard input ends,
and then prints one JSON line: how many were answered, and when each that was not had begun (monotonic seconds).
`visitor.py ask METHOD PATH [FILE]` prints one answer's body.
"""

from __future__ import annotations

import http.client
import json
import socket
import sys
import threading
import time
from pathlib import Path
from typing import Any

SHARED = Path("/run/pro-engine")
PATIENCE = 60.0


def where() -> tuple[str, int]:
    found = json.loads((SHARED / "runtime.json").read_text())
    return found["host"], found["port"]


def load(threads: int) -> None:
    host, port = where()
    over = threading.Event()
    answered: list[int] = []
    lost: list[tuple[float, str]] = []

    def keep_asking() -> None:
        while not over.is_set():
            began = time.monotonic()
            try:
                answered.append(ask_health(host, port))
            except (OSError, http.client.HTTPException, ValueError) as error:
                lost.append((began, repr(error)))

    asking = [threading.Thread(target=keep_asking) for _ in range(threads)]
    for thread in asking:
        thread.start()
    print("asking", flush=True)
    sys.stdin.read()
    over.set()
    for thread in asking:
        thread.join()
    print(json.dumps({"answered": len(answered), "statuses": sorted(set(answered)), "lost": lost}))


def ask_health(host: str, port: int) -> int:
    """Spoken by hand: an answer that is cut off must not pass for one."""
    with socket.create_connection((host, port), timeout=PATIENCE) as connection:
        connection.sendall(f"GET /health HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n".encode())
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        json.loads(answer.read())
        return answer.status


def ask(method: str, path: str, file: str | None = None) -> Any:
    host, port = where()
    connection = http.client.HTTPConnection(host, port, timeout=PATIENCE)
    headers = {"Authorization": f"Bearer {(SHARED / 'token').read_text().strip()}"}
    connection.request(method, path, Path(file).read_bytes() if file else None, headers)
    return json.loads(connection.getresponse().read())


if __name__ == "__main__":
    if sys.argv[1] == "load":
        load(int(sys.argv[2]))
    else:
        print(json.dumps(ask(*sys.argv[2:])))
