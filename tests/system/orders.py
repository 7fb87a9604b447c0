"""What hundreds of clients ask for, drawn by lot: some the same as others, some to be cancelled, some hung up on."""

from __future__ import annotations

import io
import random
from dataclasses import dataclass
from typing import Literal

import numpy as np
from PIL import Image

PROGRAMS = ("", "editor", "browser", "batch-tool")
Cancel = Literal["never", "at once", "while it runs", "when it is over"]
CANCELS: tuple[Cancel, ...] = ("never", "at once", "while it runs", "when it is over")
CANCEL_SHARES = (80, 8, 8, 4)


@dataclass(frozen=True)
class Order:
    """What a client asks for, and how it behaves."""

    key: str
    picture: int
    width: int
    height: int
    scale: int
    form: str
    priority: str
    program: str
    cut: bool  # hangs up before it is answered, and asks again
    twice: bool  # asks again though it was answered
    cancel: Cancel
    fetch: bool

    @property
    def recipe(self) -> tuple[int, int, str]:
        """What makes one result equal to another."""
        return self.picture, self.scale, self.form

    @property
    def request(self) -> str:
        fields = f"scale_factor={self.scale}x&format={self.form}&priority={self.priority}&client={self.program}"
        return f"POST /api/process?{fields}"

    def pixels(self) -> bytes:
        noise = np.random.default_rng(self.picture).integers(0, 256, (self.height, self.width, 3), np.uint8)
        file = io.BytesIO()
        Image.fromarray(noise).save(file, "PNG", compress_level=0)
        return file.getvalue()


def make_orders(chance: random.Random, count: int) -> list[Order]:
    """Some two of three ask for what nobody else asks for; the others for what was asked before, or is just then."""
    sizes = [(chance.randrange(8, 160), chance.randrange(8, 160)) for _ in range(count // 2)]
    orders: list[Order] = []
    for number in range(count):
        picture = chance.randrange(len(sizes))
        orders.append(
            Order(
                key=f"order-{number}",
                picture=picture,
                width=sizes[picture][0],
                height=sizes[picture][1],
                scale=chance.choice((2, 2, 4)),
                form=chance.choice(("png", "jpeg")),
                priority=chance.choice(("interactive", "batch")),
                program=chance.choice(PROGRAMS),
                cut=chance.random() < 0.1,
                twice=chance.random() < 0.1,
                cancel=chance.choices(CANCELS, CANCEL_SHARES)[0],
                fetch=chance.random() < 0.3,
            )
        )
    return orders
