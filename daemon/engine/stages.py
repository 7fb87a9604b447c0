"""What a job's parts hand each other: the stages by name, and the enlarging itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from daemon.engine.upscaler import Pixels

Stage = Literal["decode", "upscale", "encode"]
OnProgress = Callable[[float, Stage], None]
Enlarge = Callable[[Pixels, Callable[[float], None]], Pixels]  # told the share done after each tile
