"""A fake, for tests: Python runs it at the start of every child. Decoders die of pictures called `deadly` and hang over
those called `endless`, as those with bugs do.
"""

import os
import signal
import threading
from typing import Any

from PIL import Image

real_open = Image.open


def open_faulty(path: Any, *arguments: Any, **options: Any) -> Any:
    if "deadly" in str(path):
        os.kill(os.getpid(), signal.SIGSEGV)
    if "endless" in str(path):
        threading.Event().wait()
    return real_open(path, *arguments, **options)


setattr(Image, "open", open_faulty)  # noqa: B010, an assignment is a type error, and rightly
