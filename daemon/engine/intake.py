"""The intake's entry: `python -m daemon.engine.intake --channel FD`. Reads headers of what was uploaded, no device,
under tight limits, because input is hostile and decoders have bugs.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import resource
from pathlib import Path
from typing import Final

from daemon.engine.channel import Channel, own_output
from daemon.engine.codec.probe import probe
from daemon.engine.memory import mapped_bytes
from daemon.errors import BrokenImage, ProEngineError
from daemon.executor.intake_limits import IntakeLimits
from daemon.executor.messages import Fault, Message, Probe, Probed, Ready

MEMORY_LIMIT: Final = 1 << 29  # address space beyond what the libraries map, which grows with the number of cores
# of address space for each pixel that is allowed: WebP's decoder maps two canvases when it is opened, and fills none
CANVAS_BYTES: Final = 2 * 4
OPEN_FILES: Final = 64


def limit_self(max_pixels: int) -> None:
    """Bound what a decoder bug can reach. macOS refuses some limits; the daemon's deadline holds there too."""
    mapped = mapped_bytes()
    for what, most in (
        (resource.RLIMIT_AS, mapped + MEMORY_LIMIT + CANVAS_BYTES * max_pixels),
        (resource.RLIMIT_NOFILE, OPEN_FILES),
        (resource.RLIMIT_FSIZE, 0),
    ):
        with contextlib.suppress(ValueError, OSError, OverflowError):
            resource.setrlimit(what, (most, most))


def answer(message: Probe, limits: IntakeLimits) -> Message:
    try:
        return Probed(header=probe(Path(message.source.path), limits))
    except ProEngineError as error:
        return Probed(fault=Fault.of(error))
    except MemoryError:
        return Probed(fault=Fault(code=BrokenImage.code, message="the header asks for more memory than is sane"))


def main() -> None:
    parser = argparse.ArgumentParser(prog="pro-engine intake")
    parser.add_argument("--channel", type=int, required=True)
    parser.add_argument("--limits", type=json.loads, required=True, metavar="JSON", help="an IntakeLimits")
    options = parser.parse_args()
    limits = IntakeLimits(**options.limits)
    own_output()
    limit_self(limits.max_pixels)
    channel = Channel(options.channel)
    channel.send(Ready())
    for message in channel.receive():
        if isinstance(message, Probe):
            channel.send(answer(message, limits))


if __name__ == "__main__":
    main()
