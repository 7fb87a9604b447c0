"""What the service says of itself: health, abilities, problems."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

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
    status: Literal["starting", "healthy", "degraded", "draining"]
    safe_mode: bool
    timestamp: Timestamp
    port: int | None
    pid: int
    services: Parts
    system: System
    proof: str | None = Field(default=None, description="the answer to `challenge`, by which local clients know us")


class HealthQuery(OpenWire):
    """Monitors may add to it."""

    challenge: Annotated[str, Field(max_length=128)] | None = None


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

    model_config = ConfigDict(extra="allow", frozen=True, json_schema_extra={"additionalProperties": True})
    type: Literal["about:blank"] = "about:blank"
    title: str
    status: int
    detail: str
    code: str
    message: str
