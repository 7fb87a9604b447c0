"""A client of a service: hand in pictures, follow them, fetch what was made. docs/client.md shows it at work.

Errors are those of `daemon.errors`.
"""

from daemon.client.client import Client
from daemon.client.find import connect
from daemon.client.patience import Patience
from daemon.client.sync import SyncClient, connect_sync
from daemon.client.views import Failure, JobEvent, JobView

__all__ = [
    "Client",
    "Failure",
    "JobEvent",
    "JobView",
    "Patience",
    "SyncClient",
    "connect",
    "connect_sync",
]
