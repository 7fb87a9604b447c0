"""The main job on a real photograph: start the supervised service, enlarge a picture 4 times, stop what was started.

Everything it makes lies in `.demo/`: the service's state and cache, its log, the result. Run it twice: the second
time the cache has the answer.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
DEMO = ROOT / ".demo"
PRO_ENGINE = [sys.executable, "-m", "daemon.cli"]
START_SECONDS = 180  # the first start compiles the CPU's kernels


def environment() -> dict[str, str]:
    return {
        **os.environ,
        "PRO_ENGINE_STATE_DIR": str(DEMO / "state"),
        "PRO_ENGINE_CACHE_DIR": str(DEMO / "cache"),
        "PRO_ENGINE_LOG_FORMAT": "json",
    }


def started(service: subprocess.Popen[bytes], env: dict[str, str]) -> dict[str, Any]:
    """Wait until a device is open; the answer of /health."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and service.poll() is None:
        asked = subprocess.run([*PRO_ENGINE, "status", "--json"], env=env, capture_output=True, check=False)
        if asked.returncode == 0:
            health: dict[str, Any] = json.loads(asked.stdout)
            if health["services"]["hardware_detector"]["devices"]:
                return health
        time.sleep(0.2)
    sys.exit(f"the service did not start; its log is {DEMO / 'log.jsonl'}")


def main() -> int:
    DEMO.mkdir(exist_ok=True)
    env = environment()
    source, target = ROOT / "samples" / "parrots.png", DEMO / "parrots-4x.png"
    print("starting the service (the first start compiles its kernels, which takes some seconds)", flush=True)
    with (DEMO / "log.jsonl").open("ab") as log:
        service = subprocess.Popen([*PRO_ENGINE, "run"], env=env, stdout=log, stderr=log)
    try:
        started(service, env)
        subprocess.run([*PRO_ENGINE, "status"], env=env, check=False)
        command = [*PRO_ENGINE, "upscale", str(source), "-o", str(target), "--scale", "4", "--force", "--json"]
        made = subprocess.run(command, env=env, stdout=subprocess.PIPE, check=False)  # its bar goes to standard error
    finally:
        service.terminate()
        service.wait()
    if made.returncode:
        return made.returncode
    return report(json.loads(made.stdout))


def report(made: dict[str, Any]) -> int:
    print(f"device   {made['device']}")
    if made["stages"]:
        print("time     " + ", ".join(f"{name.removesuffix('_ms')} {ms:.0f} ms" for name, ms in made["stages"].items()))
    else:
        print(f"time     answered from the cache in {1000 * made['seconds']:.0f} ms")
    print(f"result   {made['target']}, {made['width']} x {made['height']}")
    print(f"cache: {made['cache']}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
