"""What the daemon and its children say to each other: JSON, one message a line.

A leaf module: the children's entries in `engine/` import it, and nothing else of the executor. A message names a
source and a sink, and nothing else of this machine.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from daemon.errors import ProEngineError, from_code
from daemon.executor.formats import OutputFormat, SourceFormat, same_format
from daemon.executor.needs import BandTiles, Footprint, GridTiles

Metadata = Literal["all", "safe", "none"]
EngineModel = Literal["lanczos", "catmull-rom", "mitchell", "ewa-lanczos", "edge-adaptive"]


class Message(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


class FileRef(Message):
    """A source or a sink that is a file of this machine."""

    path: str


class Work(Message):
    """What a worker is to make of a picture, every choice already resolved."""

    width: int = Field(ge=1)
    height: int = Field(ge=1)
    model: EngineModel = "lanczos"
    sharpen: float = Field(default=0.0, ge=0.0, le=1.0)
    denoise: float = Field(default=0.0, ge=0.0, le=1.0)
    dpi: float | None = None  # dots an inch that the result is to say; else the source's
    format: OutputFormat = "png"
    quality: int = Field(default=92, ge=1, le=100)
    keep_metadata: Metadata = "all"


class Stages(Message):
    """Milliseconds spent in each stage of a job."""

    decode_ms: float
    upscale_ms: float
    encode_ms: float


class DeviceFacts(Message):
    name: str
    kind: str
    backend: str
    memory_bytes: int | None = None
    device_class: str
    tiles: Annotated[GridTiles | BandTiles, Field(discriminator="how")] | None = None
    footprint: Footprint | None = None


class Rejection(Message):
    """A device that was not chosen, or no longer is, and why."""

    name: str
    reason: str
    quarantined: bool = False


class Header(Message):
    """What the head of a picture file says, its orientation already applied to width and height."""

    format: SourceFormat
    width: int
    height: int
    mode: str
    has_alpha: bool
    bits: int = 8  # a sample
    frames: int = 1

    @property
    def same_format(self) -> OutputFormat:
        """The output format that is the source's own, or nearest to it."""
        return same_format(self.format, has_alpha=self.has_alpha)


class Fault(Message):
    """An error on its way to another process."""

    code: str
    message: str

    @classmethod
    def of(cls, error: ProEngineError) -> Fault:
        return cls(code=error.code, message=error.message)

    def error(self) -> ProEngineError:
        return from_code(self.code, self.message)


# daemon → worker
class Run(Message):
    op: Literal["run"] = "run"
    job: str
    source: FileRef
    sink: FileRef
    work: Work
    resumes: bool = False  # the sink may have been begun; the worker goes on with it, and leaves it so in its turn


class MakeWay(Message):
    """Set the job aside, if it is one that resumes, once it has got further than it was when it began."""

    op: Literal["make_way"] = "make_way"
    job: str


class Cancel(Message):
    op: Literal["cancel"] = "cancel"
    job: str


# worker → daemon
class Opened(Message):
    """A device was opened and has proved itself; sent again when a worker had to change it."""

    op: Literal["opened"] = "opened"
    device: DeviceFacts
    rejected: list[Rejection] = []
    others: list[str] = []  # further hardware that `auto` would trust with a worker of its own


class Opening(Message):
    """All that is our own is loaded: what comes next is a graphics driver's doing, where one may be used."""

    op: Literal["opening"] = "opening"


class Warming(Message):
    """The CPU engine comes next: on a new machine its kernels are compiled first, which takes a while."""

    op: Literal["warming"] = "warming"


class Unusable(Message):
    """Not even the CPU's engine could be opened; the worker ends."""

    op: Literal["unusable"] = "unusable"
    fault: Fault


class Ready(Message):
    """A child takes work from now on."""

    op: Literal["ready"] = "ready"


class Progress(Message):
    op: Literal["progress"] = "progress"
    job: str
    fraction: float
    stage: Literal["decode", "upscale", "encode"]


class Done(Message):
    op: Literal["done"] = "done"
    job: str
    device: DeviceFacts
    stages: Stages
    width: int
    height: int
    size: int  # bytes of the file
    sha256: str


class Failed(Message):
    op: Literal["failed"] = "failed"
    job: str
    fault: Fault


# daemon → intake, intake → daemon
class Probe(Message):
    op: Literal["probe"] = "probe"
    source: FileRef


class Probed(Message):
    op: Literal["probed"] = "probed"
    header: Header | None = None
    fault: Fault | None = None


AnyMessage = Annotated[
    Run | Cancel | MakeWay | Opening | Warming | Opened | Unusable | Ready | Progress | Done | Failed | Probe | Probed,
    Field(discriminator="op"),
]
_ADAPTER: TypeAdapter[AnyMessage] = TypeAdapter(AnyMessage)
MAX_LINE = 1 << 20


def to_line(message: Message) -> bytes:
    return message.model_dump_json().encode() + b"\n"


def from_line(line: bytes) -> AnyMessage:
    """Raises ValueError where a line is no message of ours."""
    try:
        return _ADAPTER.validate_json(line)
    except ValidationError as error:
        raise ValueError(f"not a message: {line[:200]!r}") from error
