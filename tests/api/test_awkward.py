"""Files that decoders stumble over: each is enlarged rightly or refused clearly, and nothing dies of it."""

from __future__ import annotations

import asyncio
import io
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.api.awkward import FATES, Fate, Pixels, fate_of, faults
from tests.api.conftest import Service
from tests.conftest import SHARED_IMAGES

on_the_services_loop = pytest.mark.asyncio(loop_scope="session")
AWKWARD = SHARED_IMAGES / "awkward"
SETS = (
    *("avif", "bombs_synth", "exif-orientation", "heic", "icc-wide-gamut"),
    *("jpeg_zune", "mozjpeg", "pngsuite", "realesrgan_inputs"),
)
AT_ONCE = 4
# How many times as large, by the bytes of the file at most: large pictures are not enlarged, to keep the test short.
SCALES = ((20_000, 2.0), (1 << 30, 1.0))
Judged = list[str]


async def judged(service: Service, path: Path) -> Judged:
    """What became of a file that is not as it should be."""
    source, name = path.read_bytes(), path.relative_to(AWKWARD).as_posix()
    scale = next(scale for most, scale in SCALES if len(source) <= most)
    options = {"params": {"scale_factor": f"{scale}x"}, "headers": {"Prefer": "wait=60"}}
    async with service.session.post("/api/process", data=io.BytesIO(source), **options) as response:  # type: ignore[arg-type]
        status, body = response.status, await response.json(content_type=None)
    fate = fate_of(name)
    if status == 200 and body["state"] == "done":
        if not fate.picture:
            return [f"{name}: was let in"]
        async with service.session.get(body["result_url"]) as response:
            result = await response.read()
        return [f"{name}: {fault}" for fault in await asyncio.to_thread(faults, source, result, scale)]
    error = body["error"] if status == 200 else body
    return [f"{name}: {why}" for why in wrong_refusal(fate, status, error["code"], error["message"])]


def wrong_refusal(fate: Fate, status: int, code: str, message: str) -> Judged:
    """A refusal is the sender's fault, told by a code and a sentence, and names nothing of this machine."""
    found = [f"refused with {code}: {message}"] if code not in fate.codes else []
    if status != 200 and not 400 <= status < 500:
        found.append(f"answered {status}")
    if not message or "/" in message:
        found.append(f"explained by {message!r}")
    return found


async def judge_all(service: Service, paths: list[Path]) -> Judged:
    turn = asyncio.Semaphore(AT_ONCE)

    async def in_turn(path: Path) -> Judged:
        async with turn:
            return await judged(service, path)

    before = (service.worker_pid(), service.intake_pid())
    found = await asyncio.gather(*map(in_turn, paths))
    assert (service.worker_pid(), service.intake_pid()) == before, "a child died of it"
    return [line for lines in found for line in lines]


def files_of(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


@on_the_services_loop
@pytest.mark.parametrize("name", SETS)
async def test_every_file_is_enlarged_rightly_or_refused_clearly(
    service: Service, shared_images: Path, name: str
) -> None:
    found = files_of(shared_images / "awkward" / name)
    if not found:
        pytest.skip(f"the set {name} of ../shared/images/awkward is not here")
    assert await judge_all(service, found) == []


@on_the_services_loop
async def test_what_came_to_the_folder_later_is_enlarged_rightly_or_refused_clearly(
    service: Service, shared_images: Path
) -> None:
    folder = shared_images / "awkward"
    assert (
        await judge_all(service, [path for path in files_of(folder) if path.relative_to(folder).parts[0] not in SETS])
        == []
    )


@on_the_services_loop
async def test_a_picture_is_upright_whichever_way_it_was_stored(service: Service, shared_images: Path) -> None:
    """The same picture eight times over: no reading of EXIF but ours is asked."""
    folder = shared_images / "awkward" / "exif-orientation"
    if not folder.is_dir():
        pytest.skip("the set exif-orientation of ../shared/images/awkward is not here")
    for kind in ("Landscape", "Portrait"):
        seen = []
        for orientation in range(1, 9):
            job = await service.submit((folder / f"{kind}_{orientation}.jpg").read_bytes(), {"scale_factor": "1.0x"})
            async with service.session.get(job["result_url"]) as response:
                with Image.open(io.BytesIO(await response.read())) as image:
                    seen.append(np.asarray(image.reduce(10), np.int16))
        for orientation, pixels in enumerate(seen, start=1):
            assert pixels.shape == seen[0].shape, (kind, orientation)
            assert np.abs(pixels - seen[0]).mean() < 12, (kind, orientation)  # each has its number written on it


def chunk(kind: bytes, content: bytes) -> bytes:
    return len(content).to_bytes(4) + kind + content + zlib.crc32(kind + content).to_bytes(4)


@on_the_services_loop
async def test_a_file_of_a_hundred_bytes_that_is_millions_of_pixels_high_keeps_no_worker_busy(service: Service) -> None:
    """Found by mutation: a stream of pixels that ends early is a picture, and each row costs more than its pixels."""
    width, height = 3, 8_388_611
    head = chunk(b"IHDR", width.to_bytes(4) + height.to_bytes(4) + bytes([1, 0, 0, 0, 0]))
    pixels = chunk(b"IDAT", zlib.compress(bytes(6)))
    picture = b"\x89PNG\r\n\x1a\n" + head + pixels + chunk(b"IEND", b"")
    for form in ("auto", "jpeg", "webp"):
        status, body = await service.json(
            "POST", f"/api/process?scale_factor=1x&format={form}", data=io.BytesIO(picture)
        )
        assert (status, body["code"]) == (422, "image_too_large")
        assert "pixels a side" in body["message"]


def saved(pixels: Pixels) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


@pytest.mark.parametrize(
    ("break_it", "says"),
    [
        (np.fliplr, "off by"),
        (np.flipud, "off by"),
        (lambda pixels: pixels[:, :, [2, 1, 0, 3]], "off by"),
        (lambda pixels: pixels[:, :, :3], "transparency came or went"),
        (lambda pixels: pixels[:-1], "in place of"),
        (lambda pixels: np.roll(pixels, 8, axis=1), "off by"),
        (lambda pixels: pixels // 2, "off by"),
    ],
)
def test_the_judge_sees_what_is_wrong(break_it: Callable[[Pixels], Pixels], says: str) -> None:
    y, x = np.mgrid[0:80, 0:100]
    source = np.stack([2 * x, 3 * y, 255 - x - y, 100 + x], axis=-1).astype(np.uint8)
    larger = np.asarray(Image.fromarray(source).resize((200, 160), Image.Resampling.BICUBIC))
    assert faults(saved(source), saved(larger), 2.0) == []
    assert says in " ".join(faults(saved(source), saved(np.ascontiguousarray(break_it(larger))), 2.0))


def test_the_judge_knows_the_refusals_that_are_none() -> None:
    unsupported = fate_of("mozjpeg/test1.icc")
    assert wrong_refusal(unsupported, 415, "unsupported_format", "this is no picture") == []
    assert wrong_refusal(unsupported, 422, "broken_image", "it is cut off") != []
    assert wrong_refusal(fate_of("new/one.jxl"), 500, "internal", "the log has it as 1") != []
    assert wrong_refusal(unsupported, 415, "unsupported_format", "cannot open /home/ann/picture") != []
    assert {path.split("/")[0] for path in FATES} - {"*", "*.txt"} == {*SETS}
