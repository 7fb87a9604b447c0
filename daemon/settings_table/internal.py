"""What our own processes and a unit say to each other: no person sets it, and no file has it."""

from __future__ import annotations

from typing import Final

from daemon.settings_table import forms
from daemon.settings_table.setting import PREFIX, Setting

FROM_FILE: Final = PREFIX + "FROM_FILE"  # keys that `run` told the supervisor and a daemon reads in the file itself
UNTIL_RESTART: Final = PREFIX + "UNTIL_RESTART"  # keys that `run` told, and which hold while the supervisor lives

LISTEN_FDS: Final = Setting(
    "listen_fds", "", forms.DESCRIPTORS, "sockets that the supervisor handed down", internal=True
)
LIFELINE_FD: Final = Setting(
    "lifeline_fd", "", forms.DESCRIPTOR, "a pipe whose other end closes with the supervisor", internal=True
)
HEARTBEAT_FD: Final = Setting(
    "heartbeat_fd", "", forms.DESCRIPTOR, "a pipe that tells the supervisor that the loop turns", internal=True
)
INSTANCE: Final = Setting("instance", "", forms.WORD, "which supervisor's daemon this is", internal=True)
RESTARTS: Final = Setting(
    "restarts", "0", forms.COUNT_FROM_NOTHING, "daemons that ended unasked under our supervisor", internal=True
)
STANDBY: Final = Setting(
    "standby", "false", forms.FLAG, "load everything, open nothing, and wait for the store's lock", internal=True
)
SAFE_MODE: Final = Setting(
    "safe_mode", "false", forms.FLAG, "the supervisor does not trust the GPU: the device is the CPU", internal=True
)
SHARED_DIR: Final = Setting(
    "shared_dir", "", forms.SHARED, "where a system service's group finds address, token and secret", internal=True
)
INTERNAL: Final = (LISTEN_FDS, LIFELINE_FD, HEARTBEAT_FD, INSTANCE, RESTARTS, STANDBY, SAFE_MODE, SHARED_DIR)

OTHER_VARIABLES: Final = frozenset({PREFIX + "CONFIG", FROM_FILE, UNTIL_RESTART, PREFIX + "UNDER_LAUNCHD"})
