"""What became of the work, and of those who do it."""

from __future__ import annotations

from daemon.errors.base import ProEngineError


class QueueFull(ProEngineError):
    """As many jobs wait as may; try again after `Retry-After`."""

    code = "queue_full"


class TooManySubscribers(ProEngineError):
    """As many WebSockets are open as may be; `Retry-After` says when to try again."""

    code = "too_many_subscribers"


class Draining(ProEngineError):
    """The service is stopping and takes no new work; the next one answers after `Retry-After`."""

    code = "draining"


class DaemonUnavailable(ProEngineError):
    """The service failed again and again, and the supervisor answers in its place; the next try is at `Retry-After`."""

    code = "daemon_unavailable"


class DiskFull(ProEngineError):
    """There is no room: the disk is full, or results that nobody has fetched fill the cache."""

    code = "disk_full"


class StoreBusy(ProEngineError):
    """Another program holds the store's file; what was to be written can be tried again after `Retry-After`."""

    code = "store_busy"


class IntakeUnavailable(ProEngineError):
    """The process that reads the headers of uploads does not start; try again after `Retry-After`."""

    code = "intake_unavailable"


class WorkerCrashed(ProEngineError):
    """Every worker that tried this picture died of it."""

    code = "worker_crashed"


class OutOfMemory(ProEngineError):
    """The picture does not fit into this machine's memory."""

    code = "out_of_memory"


class DeviceFailed(ProEngineError):
    """A device gave an error, was lost, or produced a picture that is not to be trusted."""

    code = "device_failed"


class Cancelled(ProEngineError):
    """The job was cancelled."""

    code = "cancelled"


class SetAside(ProEngineError):
    """The job made way for one that somebody waits for, and goes on later: never what becomes of it."""

    code = "set_aside"


class WrongSettings(ProEngineError):
    """A setting cannot be used; the sentence names it."""

    code = "wrong_settings"


class StoreTooNew(ProEngineError):
    """A later version of Pro Engine has written the store."""

    code = "store_too_new"


class ServiceUnreachable(ProEngineError):
    """No service answers where one was looked for."""

    code = "service_unreachable"


class UnexpectedAnswer(ProEngineError):
    """What answers speaks another language than a service of ours: another program, or a proxy on the way."""

    code = "unexpected_answer"


class ServiceRefused(ProEngineError):
    """`pro-engine service` does not do what was asked; the sentence says what to do instead."""

    code = "service_refused"

    def __init__(self, message: str, exit_code: int = 1) -> None:
        super().__init__(message)
        self.exit_code = exit_code
