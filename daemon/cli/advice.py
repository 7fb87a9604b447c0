"""What to tell a person whose machine computes on the CPU."""

from __future__ import annotations

from typing import Final

ADVICE: Final = (
    "A GPU with its Vulkan driver would speed this up. On Debian and Ubuntu: `apt-get install mesa-vulkan-drivers` "
    "for AMD and Intel, the package nvidia-driver for NVIDIA."
)
