"""What the supervisor reads for itself, out of its environment: described here for the file, `config` and the page.

It never imports this, nor we its reading; a test holds that both agree on names, defaults and limits.
"""

from __future__ import annotations

from typing import Any, Final, TypeVar

from daemon.settings_table.forms import CRASHES, SECONDS
from daemon.settings_table.setting import Form, Setting, Told

Value = TypeVar("Value")


def _its(key: str, default: str, form: Form[Value], does: str) -> Setting[Value]:
    """A setting that holds for as long as the supervisor lives."""
    return Setting(key, default, form, does, told=Told.WHEN_SET, reload=False)


DRAIN_DEADLINE: Final = _its(
    "drain_deadline", "90", SECONDS, "How long a daemon may take from the signal to its end, before it is ended"
)
SUPERVISORS: Final[tuple[Setting[Any], ...]] = (
    _its("start_deadline", "60", SECONDS, "How long a daemon may take from its start to being ready"),
    _its("heartbeat_deadline", "10", SECONDS, "How long a daemon may be silent before it is taken to hang"),
    _its("health_every", "10", SECONDS, "The time between two questions to `/health`"),
    _its("health_deadline", "5", SECONDS, "How long an answer of `/health` may take; three missed ones end the daemon"),
    DRAIN_DEADLINE,
    _its("backoff_first", "0.5", SECONDS, "The first pause before a daemon that failed is started again"),
    _its("backoff_max", "30", SECONDS, "The longest of those pauses, which double each time"),
    _its("backoff_reset", "600", SECONDS, "How long a daemon must live for the pauses to begin anew"),
    _its(
        "crashes_most", "5", CRASHES, "So many crashes within `crashes_within` are borne; one more, and it is degraded"
    ),
    _its("crashes_within", "60", SECONDS, "The time over which crashes are counted"),
    _its("retry_every", "60", SECONDS, "The time between two tries while degraded"),
)
