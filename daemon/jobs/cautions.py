"""What to know before a job is handed in that is no error."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from daemon.jobs.estimates import Estimate

Code = Literal["no_device", "nothing_learned", "far_from_known", "memory", "transparency"]
MEBI: Final = 1 << 20


@dataclass(frozen=True)
class Caution:
    """A stable code and a sentence."""

    code: Code
    message: str


def cautions(
    *, device: bool, compute: Estimate | None, memory: int | None, worker_memory: int, loses_alpha: bool
) -> list[Caution]:
    """All that hold. `memory` and `worker_memory` are bytes that a job takes and may take."""
    found = []
    if not device:
        found.append(Caution("no_device", "no device is open yet, so nothing is known of tiles, memory and time"))
    elif compute is None:
        found.append(
            Caution("nothing_learned", "no job of this kind is done on this device yet: its time is not known")
        )
    elif compute.is_far:
        found.append(Caution("far_from_known", "no job of about this size is done yet: the range of its time is wide"))
    if memory is not None and memory > worker_memory:
        sizes = f"about {memory // MEBI} MiB of memory, and a worker may take {worker_memory // MEBI}"
        found.append(Caution("memory", f"the job needs {sizes}: it would most likely fail with out_of_memory"))
    if loses_alpha:
        found.append(Caution("transparency", "jpeg holds no transparency: a picture that has any would be refused"))
    return found
