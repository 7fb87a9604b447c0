"""`/api/jobs`: one's own jobs, their results, and stopping them."""

from __future__ import annotations

import asyncio
import io
import os
from urllib.parse import unquote

import pytest
from PIL import Image

from tests.api.conftest import Service, png, stopped

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def fetched(service: Service, job: str) -> bool:
    return (await service.parts.ledger.get(job, "local")).fetched_at is not None


async def until_fetched(service: Service, job: str) -> None:
    """It is noted once all is sent, a moment after the client has it."""
    async with asyncio.timeout(10):
        while not await fetched(service, job):
            pass


async def begin(service: Service, size: int = 24) -> str:
    async with service.session.post("/api/process", data=png(size, size)) as response:
        assert response.status == 202
        return str((await response.json())["id"])


async def test_pages_follow_each_other_newest_first_without_gap_or_double(service: Service) -> None:
    picture = png()
    made = [(await service.submit(picture))["id"] for _ in range(7)]
    seen: list[str] = []
    cursor = ""
    while len(seen) < len(made):
        status, page = await service.json("GET", f"/api/jobs?limit=3{cursor}")
        assert status == 200
        assert 1 <= len(page["jobs"]) <= 3
        seen += [job["id"] for job in page["jobs"]]
        cursor = f"&cursor={page['cursor']}"
        await service.submit(picture)  # a newer one does not shift the pages
    assert seen[:7] == made[::-1]
    assert (await service.json("GET", "/api/jobs?cursor=0"))[1] == {"jobs": [], "cursor": None}


async def test_a_state_filters(service: Service) -> None:
    done = await service.submit()
    _, page = await service.json("GET", "/api/jobs?state=done&limit=1")
    assert page["jobs"][0]["id"] == done["id"]
    _, page = await service.json("GET", "/api/jobs?state=running")
    assert page["jobs"] == []


async def test_a_job_of_another_owner_is_not_found(service: Service) -> None:
    job = await service.submit()
    await service.parts.ledger._database.transact(
        lambda c: c.execute("UPDATE jobs SET owner = 'other' WHERE id = ?", (job["id"],))
    )
    for method, path in (("GET", ""), ("DELETE", ""), ("GET", "/result")):
        status, body = await service.json(method, f"/api/jobs/{job['id']}{path}")
        assert (status, body["code"]) == (404, "not_found")


async def test_cancelling_is_idempotent_wherever_the_job_is(service: Service) -> None:
    with stopped(service.worker_pid()):
        running, queued = await begin(service), await begin(service)
        _, body = await service.json("DELETE", f"/api/jobs/{queued}")
        assert body["state"] == "cancelled"
        _, body = await service.json("DELETE", f"/api/jobs/{queued}")
        assert body["state"] == "cancelled"
        status, body = await service.json("DELETE", f"/api/jobs/{running}")
        assert (status, body["state"]) == (202, "running")
    async with asyncio.timeout(10):
        while (await service.json("DELETE", f"/api/jobs/{running}"))[1]["state"] != "cancelled":
            pass
    done = await service.submit()
    status, body = await service.json("DELETE", f"/api/jobs/{done['id']}")
    assert (status, body["state"]) == (200, "done")
    assert service.temporary() == []


async def test_there_is_no_result_before_the_job_is_done(service: Service) -> None:
    with stopped(service.worker_pid()):
        job = await begin(service)
        status, body = await service.json("GET", f"/api/jobs/{job}/result")
        assert (status, body["code"]) == (409, "result_not_ready")
        assert (await service.json("GET", f"/api/jobs/{job}"))[1]["result_url"] is None
    await service.json("DELETE", f"/api/jobs/{job}")


async def test_the_result_is_the_picture_and_may_not_be_sniffed(service: Service) -> None:
    job = await service.submit(fields={"format": "webp"})
    async with service.session.get(job["result_url"]) as response:
        assert response.content_type == "image/webp"
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert response.headers["Cache-Control"] == "private, no-cache"
        content = await response.read()
    assert len(content) == job["result_bytes"]
    with Image.open(io.BytesIO(content)) as image:
        assert (image.format, image.size) == ("WEBP", (48, 36))
    await until_fetched(service, job["id"])


async def test_ranges_piece_together(service: Service) -> None:
    job = await service.submit()
    size = job["result_bytes"]
    async with service.session.get(job["result_url"]) as response:
        whole = await response.read()
    pieces = b""
    for span in (f"0-{size // 2}", f"{size // 2 + 1}-"):
        async with service.session.get(job["result_url"], headers={"Range": f"bytes={span}"}) as response:
            assert response.status == 206
            pieces += await response.read()
    assert pieces == whole
    async with service.session.get(job["result_url"], headers={"Range": f"bytes={size}-"}) as response:
        assert response.status == 416


async def test_a_range_of_a_unit_that_nobody_knows_is_as_none(service: Service) -> None:
    job = await service.submit()
    for _ in range(2):  # over one connection, which is still good then
        async with service.session.get(job["result_url"], headers={"Range": "items=0-4"}) as response:
            assert response.status == 200
            assert len(await response.read()) == job["result_bytes"]


async def test_a_known_version_is_not_sent_again(service: Service) -> None:
    job = await service.submit()
    async with service.session.get(job["result_url"]) as response:
        tag = response.headers["ETag"]
    async with service.session.get(job["result_url"], headers={"If-None-Match": tag}) as response:
        assert response.status == 304
        assert await response.read() == b""


@pytest.mark.parametrize(
    ("name", "plain", "exact"),
    [
        ("cat.png", "cat-48x36.png", "cat-48x36.png"),
        ('a"; filename="evil.exe', "a__ filename=_evil-48x36.png".replace("=", "_"), 'a"; filename="evil-48x36.png'),
        ("Привет.jpeg", "______-48x36.png", "Привет-48x36.png"),
        ("a\r\nSet-Cookie: x.png", "aSet-Cookie_ x-48x36.png", "aSet-Cookie: x-48x36.png"),
        ("100%.png", "100_-48x36.png", "100%-48x36.png"),
        (".png", "png-48x36.png", "png-48x36.png"),
    ],
)
async def test_the_download_is_named_for_its_source(service: Service, name: str, plain: str, exact: str) -> None:
    job = await service.submit(fields={"name": name})
    async with service.session.get(job["result_url"]) as response:
        header = response.headers["Content-Disposition"]
        assert "Set-Cookie" not in response.headers
    kind, first, second = header.split("; filename", 2)
    assert kind == "attachment"
    assert first == f'="{plain}"'
    assert unquote(second.removeprefix("*=UTF-8''")) == exact


async def test_a_result_that_is_gone_says_so(service: Service) -> None:
    job = await service.submit()
    row = await service.parts.ledger.get(job["id"], "local")
    assert row.result_path is not None
    service.parts.files.path(row.result_path).unlink()
    status, body = await service.json("GET", f"/api/jobs/{job['id']}/result")
    assert (status, body["code"]) == (410, "result_expired")


async def test_what_did_not_send_the_end_of_the_picture_did_not_fetch_it(service: Service) -> None:
    """A result that nobody has may not be evicted: a look at its head or its first bytes is no download."""
    job = await service.submit()
    url = f"/api/jobs/{job['id']}/result"
    async with service.session.head(url) as response:
        assert response.status == 200
    async with service.session.get(url, headers={"Range": "bytes=0-9"}) as response:
        assert response.status == 206
        await response.read()
    async with service.session.get(url, headers={"If-Match": '"another"'}) as response:
        assert response.status == 412
    assert not await fetched(service, job["id"])
    async with service.session.get(url, headers={"Range": "bytes=10-"}) as response:
        await response.read()
    await until_fetched(service, job["id"])  # the rest of a download that was begun elsewhere


async def test_an_answer_that_broke_off_did_not_fetch_it(service: Service) -> None:
    job = await service.submit(png(1400, 1400), {"scale_factor": "2x"})
    assert job["result_bytes"] > 15 << 20, "more than the buffers of a connection hold"
    async with service.connection() as (reader, writer):
        writer.write(service.head(f"GET /api/jobs/{job['id']}/result"))
        assert b" 200 " in await reader.readline()
        writer.transport.abort()
    assert (await service.submit())["state"] == "done"
    assert not await fetched(service, job["id"])


async def test_a_result_goes_out_by_sendfile(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    sendfile, sent = os.sendfile, []

    def counted(out: int, file: int, offset: int, count: int) -> int:
        sent.append(count)
        return sendfile(out, file, offset, count)

    monkeypatch.setattr(os, "sendfile", counted)
    job = await service.submit()
    async with service.session.get(f"/api/jobs/{job['id']}/result") as response:
        assert sent == [len(await response.read())]
