"""The stages of a job, by name."""

from __future__ import annotations

from typing import Literal

Stage = Literal["decode", "upscale", "encode"]
