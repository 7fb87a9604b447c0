from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

PARENT = """
import socket, subprocess, sys
ours, theirs = socket.socketpair()
options = [f"--channel={theirs.fileno()}", "--device=cpu", f"--cache={sys.argv[1]}", f"--memory-limit={1 << 40}"]
worker = subprocess.Popen([sys.executable, "-P", "-m", "daemon.engine.worker", *options], pass_fds=[theirs.fileno()])
print(worker.pid, flush=True)
while b'"ready"' not in ours.recv(1 << 16):
    pass
print("ready", flush=True)
sys.stdin.read()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel has to see to it")
def test_a_worker_that_cannot_see_its_daemon_die_dies_with_it(kernel_cache: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, str(kernel_cache)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as parent:
        assert parent.stdout
        worker = os.pidfd_open(int(parent.stdout.readline()))
        try:
            assert parent.stdout.readline() == b"ready\n"
            signal.pidfd_send_signal(worker, signal.SIGSTOP)
            parent.kill()
            assert select.select([worker], [], [], 10)[0], "it is still there"
        finally:
            if not select.select([worker], [], [], 0)[0]:
                signal.pidfd_send_signal(worker, signal.SIGKILL)
            os.close(worker)
