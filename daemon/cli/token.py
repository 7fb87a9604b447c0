"""`pro-engine token`: the bearer that local programs use."""

from __future__ import annotations

import argparse
import os

from daemon import settings
from daemon.accounts.local import local_access


def token(_options: argparse.Namespace) -> int:
    """Print it; made now where the service has never run."""
    folders = settings.folders(os.environ)
    print(local_access(folders.token, folders.secret).token)
    return 0
