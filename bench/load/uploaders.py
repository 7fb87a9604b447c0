"""Clients that upload without end: `python -m bench.load.uploaders PORT TOKEN TARGET RATE FILE...`, a thread a file.

Each sends RATE bytes a second or, where that is 0, as many as are taken.

Prints a line once every thread has been answered, then how many answers of each status there were when it is told to
end, which is when its standard input ends. Prebuilt bytes over blocking sockets: it takes little of the processor.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.load.wire import Connection


class Load:
    """Uploaders at work, and what they were answered, which is known at the end."""

    def __init__(self) -> None:
        self.answers: dict[str, int] = {}
        self.seconds = 0.0  # in which they came


@contextmanager
def uploading(port: int, token: str, target: str, files: list[Path], bytes_a_second: float = 0) -> Iterator[Load]:
    """`bytes_a_second` of all together; 0: as fast as they are taken."""
    rate = str(bytes_a_second / len(files))
    load = Load()
    with subprocess.Popen(
        [sys.executable, "-m", "bench.load.uploaders", str(port), token, target, rate, *map(str, files)],
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
            told = json.loads(process.stdout.readline())
            load.answers.update(told["answers"])
            load.seconds = told["seconds"]
        finally:
            process.kill()


def main() -> None:
    port, token, target, rate, *files = sys.argv[1:]
    answers: Counter[int] = Counter()
    over = threading.Event()
    begun = [threading.Event() for _ in files]

    def upload(path: str, answered: threading.Event) -> None:
        body = Path(path).read_bytes()
        with Connection(int(port), token, float(rate)) as connection:
            while not over.is_set():
                status, _ = connection.ask("POST", target, body)
                answers[status] += 1
                answered.set()

    since = time.monotonic()
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
    print(json.dumps({"answers": answers, "seconds": time.monotonic() - since}), flush=True)


if __name__ == "__main__":
    main()
