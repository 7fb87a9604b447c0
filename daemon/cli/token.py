"""`pro-engine token`: the bearer that local programs use."""

from __future__ import annotations

import argparse
import os

from daemon import settings
from daemon.accounts.local import local_access
from daemon.published import published_address, read_word, system_folders


def token(_options: argparse.Namespace) -> int:
    """Print the one of the service that is there: one's own, and without that the machine's. Where neither is, one's
    own, made now if it has never run.
    """
    own, machine = settings.folders(os.environ), system_folders(os.environ)
    if published_address(own) is None and published_address(machine) is not None:
        print(read_word(machine.token))
    else:
        print(local_access(own.token, own.secret).token)
    return 0
