"""`pro-engine whoami`: who has signed in on this machine."""

from __future__ import annotations

import argparse
import json
import os
import sys
from datetime import datetime

from daemon import settings
from daemon.signin.keeping import keeping_for


def whoami(options: argparse.Namespace) -> int:
    """Asks nobody; exit 1 where nobody has."""
    keeping = keeping_for(settings.folders(os.environ).session)
    session = keeping.load()
    if session is None:
        sys.stderr.write("pro-engine: nobody is signed in on this machine\n")
        return 1
    ends = datetime.fromtimestamp(session.expires_at).astimezone()
    if options.json:
        print(
            json.dumps({"user": session.user, "email": session.email, "project": session.url, "kept_in": keeping.where})
        )
        return 0
    print(f"{session.email} ({session.user})")
    print(f"of {session.url}; the access token is good until {ends:%H:%M}, and renewed when it is used")
    return 0
