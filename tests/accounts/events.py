"""A usage event, as a job that is done leaves it in the outbox."""

from __future__ import annotations

from typing import Any

EVENT: dict[str, Any] = {
    "status": "done",
    "refund": False,
    "processing_type": "standard",
    "scale_factor": "2x",
    "image_pixels": 3072,
    "processing_time_ms": 12,
    "event_at": "2026-11-27T00:00:00.000+00:00",
}
