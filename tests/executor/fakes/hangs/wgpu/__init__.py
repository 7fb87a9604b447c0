"""A fake wgpu, for tests: a driver that never comes back."""

import threading

threading.Event().wait()
