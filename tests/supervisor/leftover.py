"""A process that a test leaves behind: it may hold a lock, listen, share its listener, and be hard of hearing.

It writes `ready`, then the name of each signal that it was told to ignore.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--orphan", action="store_true", help="leave the process that started this one")
    parser.add_argument("--lock", type=Path)
    parser.add_argument("--listen", metavar="HOST:PORT")
    parser.add_argument("--share", type=int, default=0, help="how many forks keep the listener too")
    parser.add_argument("--worker", action="store_true", help="start a process in the same group")
    parser.add_argument("--ignore", nargs="*", default=[])
    parser.add_argument("--user", type=int)
    parser.add_argument("--hide-name", action="store_true", help="take a name that is no text and looks like more")
    options = parser.parse_args()
    if options.hide_name:
        Path("/proc/self/comm").write_bytes(b"\xff) R 1 2\xfe")
    if options.orphan and os.fork():
        os._exit(0)
    os.setsid()
    if options.lock:
        fcntl.lockf(os.open(options.lock, os.O_RDWR | os.O_CREAT, 0o600), fcntl.LOCK_EX)
    if options.listen:
        host, _, port = options.listen.rpartition(":")
        server = socket.create_server((host, int(port)), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
        server.set_inheritable(True)
    if options.user:
        os.setgroups([])
        os.setresgid(options.user, options.user, options.user)
        os.setresuid(options.user, options.user, options.user)
    shared = [pid for _ in range(options.share) if (pid := fork_sleeper())]
    worker = [subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"]).pid] if options.worker else []
    for name in options.ignore:
        signal.signal(signal.Signals[name], lambda number, _: say(signal.Signals(number).name))
    say("ready", os.getpid(), *shared, *worker)
    while True:
        signal.pause()


def fork_sleeper() -> int:
    pid = os.fork()
    while pid == 0:
        signal.pause()
    return pid


def say(*words: object) -> None:
    os.write(1, f"{' '.join(map(str, words))}\n".encode())


if __name__ == "__main__":
    main()
