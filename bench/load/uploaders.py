"""Clients that upload without end: `python -m bench.load.uploaders PORT TOKEN TARGET FILE...`, a thread for each file.

Prints a line once every thread has been answered, then how many answers of each status there were when it is told to
end, which is when its standard input ends. Prebuilt bytes over blocking sockets: it takes little of the processor.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.load.wire import Connection


class Load:
    """Uploaders at work, and what they were answered, which is known at the end."""

    def __init__(self) -> None:
        self.answers: dict[str, int] = {}


@contextmanager
def uploading(port: int, token: str, target: str, files: list[Path]) -> Iterator[Load]:
    load = Load()
    with subprocess.Popen(
        [sys.executable, "-m", "bench.load.uploaders", str(port), token, target, *map(str, files)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdout.readline()
            yield load
            process.stdin.close()
            load.answers.update(json.loads(process.stdout.readline()))
        finally:
            process.kill()


def main() -> None:
    port, token, target, *files = sys.argv[1:]
    answers: Counter[int] = Counter()
    over = threading.Event()
    begun = [threading.Event() for _ in files]

    def upload(path: str, answered: threading.Event) -> None:
        body = Path(path).read_bytes()
        with Connection(int(port), token) as connection:
            while not over.is_set():
                status, _ = connection.ask("POST", target, body)
                answers[status] += 1
                answered.set()

    threads = [threading.Thread(target=upload, args=pair) for pair in zip(files, begun, strict=True)]
    for thread in threads:
        thread.start()
    for answered in begun:
        answered.wait()
    print("begun", flush=True)
    sys.stdin.read()
    over.set()
    for thread in threads:
        thread.join()
    print(json.dumps(answers), flush=True)


if __name__ == "__main__":
    main()
