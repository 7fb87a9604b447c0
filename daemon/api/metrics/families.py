"""The table of metrics. Base units; no label takes values that a client could make up, and none names a person or a
picture.
"""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Final

from daemon.accounts.usage import StreamState
from daemon.api.metrics.family import Family, Kind, Samples, Seen
from daemon.api.parts import Parts
from daemon.jobs.figures import Labels

PRIORITIES: Final = ("interactive", "batch")


def _one(value: float) -> Samples:
    return dict[Labels, float]({(): value})


def _by(counts: Mapping[str, float]) -> Samples:
    return dict[Labels, float]({(name,): value for name, value in counts.items()})


def _build(_seen: Seen) -> Samples:
    return dict[Labels, float]({(version("pro-engine"), platform.python_version()): 1})


def _depth(seen: Seen) -> Samples:
    return _by({priority: seen.census.open_jobs.get(("queued", priority), 0) for priority in PRIORITIES})


def _open(seen: Seen) -> Samples:
    by_state = {"queued": 0, "running": 0}
    for (state, _), jobs in seen.census.open_jobs.items():
        by_state[state] += jobs
    paused = min(_paused(seen.parts, by_state["queued"]), by_state["queued"])
    return _by({"running": by_state["running"], "waiting": by_state["queued"] - paused, "paused": paused})


def _paused(parts: Parts, queued: int) -> int:
    """How many of the jobs that wait may not start: all of them while the queue itself is paused."""
    return queued if parts.queue.paused else 0


def _oldest(seen: Seen) -> Samples:
    oldest = seen.census.oldest_queued
    return _one(0 if oldest is None else max(seen.parts.clock() - oldest, 0))


def _device_memory(seen: Seen) -> Samples:
    found: dict[Labels, float] = {}
    for device in seen.executor.devices:
        if device.memory_bytes is not None:
            found[device.name, device.kind, device.backend] = device.memory_bytes
    return found


def _worker_memory(seen: Seen) -> Samples:
    found: dict[Labels, float] = {}
    for number, worker in enumerate(seen.executor.workers):
        if worker.pid in seen.worker_bytes:
            found[str(number), worker.device] = seen.worker_bytes[worker.pid]
    return found


def _stream(seen: Seen) -> StreamState:
    """As its sender saw it last; in local mode there is no account, and so nothing to send."""
    return seen.parts.accounts.stream.state if seen.parts.accounts is not None else StreamState()


def _outbox(seen: Seen) -> Samples:
    census = _stream(seen).census
    return _by({"waiting": census.waiting, "refused": census.refused})


_C, _G, _H = Kind.COUNTER, Kind.GAUGE, Kind.HISTOGRAM
FAMILIES: Final[Sequence[Family]] = (
    Family("build_info", _G, "Always 1; the labels say what runs.", _build, ("version", "python_version")),
    Family(
        "daemon_start_time_seconds", _G, "When this daemon began, since the epoch.", lambda s: _one(s.parts.started_at)
    ),
    Family(
        "daemon_restarts_total",
        _C,
        "Daemons that ended unasked since the supervisor began.",
        lambda s: _one(s.parts.restarts),
    ),
    Family("daemon_resident_bytes", _G, "Memory of the daemon itself.", lambda s: _one(s.daemon_bytes)),
    Family(
        "loop_lag_seconds",
        _H,
        "How late the event loop came to each beat of its heart, one a second. Empty without a supervisor.",
        lambda s: s.parts.figures.loop_lag.read(),
    ),
    Family("queue_depth", _G, "Jobs that wait for a worker.", _depth, ("priority",)),
    Family("queue_oldest_seconds", _G, "For how long the oldest job waits; 0 while none does.", _oldest),
    Family("open_jobs", _G, "Jobs that are not over: running, waiting, or paused.", _open, ("state",)),
    Family(
        "jobs_total",
        _C,
        "Jobs that ended: done, failed (with the error's code) or cancelled. `cache` is hit, miss, or none for a job "
        "that ended before the cache was asked.",
        lambda s: s.parts.figures.jobs.read(),
        ("outcome", "code", "cache"),
    ),
    Family(
        "job_seconds",
        _H,
        "From the moment a job was handed in to its end.",
        lambda s: s.parts.figures.job_seconds.read(),
        ("outcome", "cache"),
    ),
    Family(
        "job_wait_seconds",
        _H,
        "From the moment a job was handed in to the start of the attempt that ended it. Without hits of the cache.",
        lambda s: s.parts.figures.wait_seconds.read(),
        ("priority",),
    ),
    Family(
        "job_stage_seconds",
        _H,
        "What a computed job spent in each stage: decode, upscale, encode.",
        lambda s: s.parts.figures.stage_seconds.read(),
        ("stage", "device_kind"),
    ),
    Family(
        "computed_pixels_total",
        _C,
        "Pixels of the results that were computed.",
        lambda s: s.parts.figures.pixels.read(),
        ("device_kind",),
    ),
    Family(
        "device_memory_bytes",
        _G,
        "Memory of a device, where it says how much it has.",
        _device_memory,
        ("device", "kind", "backend"),
    ),
    Family("worker_resident_bytes", _G, "Memory of a worker's process.", _worker_memory, ("worker", "device")),
    Family(
        "worker_starts_total",
        _C,
        "Starts of workers by what came of them: gpu, cpu, quarantined, hung, crashed.",
        lambda s: _by(s.executor.starts),
        ("outcome",),
    ),
    Family(
        "worker_crashes_total",
        _C,
        "Workers that ended before the service did: by a signal (a hung one that was ended too), by themselves (exit), "
        "or because they grew too large (out_of_memory).",
        lambda s: _by({"signal": 0, "exit": 0, "out_of_memory": 0} | s.executor.crashes),
        ("how",),
    ),
    Family("cache_entries", _G, "Results that may serve again.", lambda s: _one(s.census.cache_entries)),
    Family("cache_bytes", _G, "Bytes of these results.", lambda s: _one(s.census.cache_bytes)),
    Family(
        "cache_bound_bytes", _G, "Bytes above which results are evicted.", lambda s: _one(s.parts.limits.cache_bytes)
    ),
    Family(
        "cache_pinned_bytes",
        _G,
        "Bytes of results that nobody has fetched and that may not go yet.",
        lambda s: _one(s.census.pinned_bytes),
    ),
    Family("cache_hits_total", _C, "Jobs that the cache answered.", lambda s: s.parts.figures.cache_hits.read()),
    Family(
        "cache_misses_total",
        _C,
        "Jobs that ended, for which a worker was needed.",
        lambda s: s.parts.figures.cache_misses.read(),
    ),
    Family(
        "cache_evicted_total",
        _C,
        "Results that went: expired, for want of room (size), or because their file was gone (missing).",
        lambda s: s.parts.figures.evicted.read(),
        ("reason",),
    ),
    Family(
        "http_requests_total",
        _C,
        "Requests, by the class of the status that they got. A WebSocket is counted when it closes.",
        lambda s: s.parts.figures.requests.read(),
        ("method", "route", "status"),
    ),
    Family(
        "http_request_seconds",
        _H,
        "From a request's head to its answer's: an upload is in it, the sending of a result is not. No WebSockets.",
        lambda s: s.parts.figures.request_seconds.read(),
        ("method", "route"),
    ),
    Family(
        "upload_bytes_total",
        _C,
        "Bytes of requests' bodies, of those that were refused too.",
        lambda s: s.parts.figures.received_bytes.read(),
    ),
    Family("websockets", _G, "WebSockets that are open.", lambda s: _one(len(s.parts.sockets))),
    Family(
        "event_subscribers",
        _G,
        "Who hears of events now: WebSockets, and requests that are held until their job ends.",
        lambda s: _one(s.parts.hub.subscribers),
    ),
    Family(
        "subscribers_cut_total",
        _C,
        "WebSockets that were closed because their client had fallen behind.",
        lambda s: s.parts.figures.subscribers_cut.read(),
    ),
    Family("events_published_total", _C, "Events, by their name.", lambda s: _by(s.parts.hub.published), ("event",)),
    Family("store_bytes", _G, "Bytes of the store's file and of its log.", lambda s: _one(s.census.store_bytes)),
    Family(
        "outbox_age_seconds",
        _G,
        "Age of the oldest usage event that is not delivered; always 0 in local mode, which has none.",
        lambda s: _one(_stream(s).age(s.parts.clock())),
    ),
    Family(
        "outbox_events",
        _G,
        "Usage events that the project has not taken: those that wait, and those that it has refused for good.",
        _outbox,
        ("state",),
    ),
    Family(
        "usage_delivered_total",
        _C,
        "Usage events that the project has taken.",
        lambda s: _one(s.parts.accounts.stream.delivered if s.parts.accounts is not None else 0),
    ),
)
