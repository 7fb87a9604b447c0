"""What the service says of itself: health, abilities, problems."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, RootModel

from daemon.api.wire.base import OpenWire, Timestamp, Wire


class Part(OpenWire):
    """One part of the service; what else it says depends on the part."""

    status: str


class Parts(Wire):
    webgpu: Part
    gpu_acceleration: Part
    codecs: Part
    file_manager: Part
    hardware_detector: Part
    cache: Part
    queue: Part
    supabase: Part
    usage_stream: Part


class Memory(Wire):
    """Bytes."""

    total: int
    available: int
    rss: int = Field(description="of the daemon itself")


class System(Wire):
    memory: Memory
    uptime: float = Field(description="seconds")
    platform: str
    python_version: str


class HealthOut(Wire):
    model_config = ConfigDict(json_schema_serialization_defaults_required=False)  # `proof` is there when asked for
    status: Literal["starting", "healthy", "degraded", "draining"]
    safe_mode: bool
    timestamp: Timestamp
    port: int | None
    pid: int
    services: Parts
    system: System
    proof: str | None = Field(default=None, description="the answer to `challenge`, by which local clients know us")


class OutageOut(OpenWire):
    """The supervisor's answer while there is no daemon: members that only a daemon could fill are empty."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    status: Literal["degraded"]
    reason: str
    retry_after: int = Field(description="seconds")
    error_id: str = Field(description="the log has it as well")
    restarts: int
    pid: int = Field(description="of the supervisor")
    port: int
    timestamp: Timestamp
    services: dict[str, Any]
    system: dict[str, Any]
    proof: str | None = Field(default=None, description="as that of the daemon")


class UnavailableOut(RootModel[HealthOut | OutageOut]):
    """No work is taken: by the daemon while it stops, by the supervisor in place of one that failed."""


class HealthQuery(OpenWire):
    """Monitors may add to it."""

    challenge: Annotated[str, Field(max_length=128)] | None = Field(
        default=None, description="any text: `proof` in the answer is made of it"
    )


class Supabase(Wire):
    url: str
    publishable_key: str


class Limits(Wire):
    upload_bytes: int
    source_pixels: int
    output_pixels: int


class Capabilities(Wire):
    devices: list[dict[str, Any]]
    models: list[str]
    scale_factors: list[str]
    scale_range: tuple[float, float]
    formats_in: list[str]
    formats_out: list[str]
    limits: Limits


class ServiceInfoOut(Wire):
    name: Literal["pro-engine"] = "pro-engine"
    version: str
    port: int | None
    status: Literal["available", "draining"]
    auth: Literal["local", "supabase"]
    supabase: Supabase | None
    capabilities: Capabilities


class Problem(OpenWire):
    """RFC 9457. `code` is stable and says what it is; further members belong to the code."""

    model_config = ConfigDict(json_schema_serialization_defaults_required=True)
    type: Literal["about:blank"] = "about:blank"
    title: str
    status: int
    detail: str
    code: str
    message: str = Field(description="as `detail`")
