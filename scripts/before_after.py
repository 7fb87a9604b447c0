"""The picture at the top of the README: a detail of the sample, its pixels as they are and enlarged 4 times."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).parent.parent
DETAIL = (440, 110, 560, 200)  # left, top, right, bottom in the sample
SCALE = 4
GAP = 8


def main() -> None:
    source = ROOT / "samples" / "parrots.png"
    with tempfile.TemporaryDirectory() as folder:
        enlarged = Path(folder) / "parrots.png"
        command = [
            sys.executable,
            "-m",
            "daemon.cli",
            "upscale",
            str(source),
            "-o",
            str(enlarged),
            "--scale",
            str(SCALE),
        ]
        subprocess.run(command, check=True)
        left, top, right, bottom = (SCALE * edge for edge in DETAIL)
        after = Image.open(enlarged).crop((left, top, right, bottom))
    before = Image.open(source).crop(DETAIL).resize(after.size, Image.Resampling.NEAREST)
    both = Image.new("RGB", (2 * after.width + GAP, after.height), "white")
    both.paste(before, (0, 0))
    both.paste(after, (after.width + GAP, 0))
    both.save(ROOT / "docs" / "before-after.png", optimize=True)


if __name__ == "__main__":
    main()
