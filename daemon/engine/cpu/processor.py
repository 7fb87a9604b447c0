"""The processor as this process may use it: how many of its cores, and what it is called."""

from __future__ import annotations

import os
import platform
import subprocess
from pathlib import Path


def core_count() -> int:
    """Cores this process may run on, which `taskset` and containers make fewer than the machine has."""
    if platform.system() == "Linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def processor_name() -> str:
    """The name the processor gives itself, or its architecture where it gives none."""
    sources = {"Linux": _from_cpuinfo, "Darwin": _from_sysctl}
    source = sources.get(platform.system(), str)
    return source() or platform.processor() or platform.machine() or "unknown"


def _from_cpuinfo() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return ""
    names = (line.partition(":")[2] for line in lines if line.startswith("model name"))
    return " ".join(next(names, "").split())


def _from_sysctl() -> str:
    command = ["/usr/sbin/sysctl", "-n", "machdep.cpu.brand_string"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=2).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""
