"""The files of the service's own page, as they are sent."""

from __future__ import annotations

import re

import pytest

from tests.api.conftest import Service

pytestmark = pytest.mark.asyncio(loop_scope="session")
TYPES = {
    "": "text/html",
    "page/app.js": "text/javascript",
    "page/style.css": "text/css",
    "page/icon.svg": "image/svg+xml",
}


@pytest.mark.parametrize(("path", "kind"), TYPES.items())
async def test_a_file_is_sent_with_its_type_and_everything_that_keeps_it_safe(
    service: Service, path: str, kind: str
) -> None:
    async with service.stranger() as browser, browser.get(f"/{path}") as response:
        assert response.status == 200
        assert response.content_type == kind
        policy = response.headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'")
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert response.headers["Referrer-Policy"] == "no-referrer"
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert response.headers["Cache-Control"] == "no-cache"
        body, tag = await response.read(), response.headers["ETag"]
    async with service.stranger() as browser:
        async with browser.get(f"/{path}", headers={"If-None-Match": tag}) as response:
            assert (response.status, await response.read(), response.headers["ETag"]) == (304, b"", tag)
        async with browser.get(f"/{path}", headers={"If-None-Match": '"other"'}) as response:
            assert await response.read() == body
        async with browser.head(f"/{path}") as response:
            assert response.status == 200
            assert int(response.headers["Content-Length"]) == len(body)


async def test_all_that_the_page_names_is_there_and_nothing_of_it_is_elsewhere(service: Service) -> None:
    seen, left = set[str](), ["/"]
    async with service.stranger() as browser:
        while left:
            path = left.pop()
            seen.add(path)
            async with browser.get(path) as response:
                assert response.status == 200, path
                text = await response.text()
            assert not re.findall(r"https?://(?!www\.w3\.org/2000/svg)", text), path
            named = re.findall(r'(?:src|href)="(/[^"]*)"', text)
            named += [f"/page/{name}" for name in re.findall(r'from "\./([^"]+)"', text)]
            left += [name for name in named if name not in seen]
    assert {"/page/app.js", "/page/style.css"} <= seen


@pytest.mark.parametrize("name", ["none.js", "..%2findex.html", "..%2f..%2fapp.py", "%00", "__init__.py"])
async def test_there_is_no_other_file(service: Service, name: str) -> None:
    async with service.stranger() as browser, browser.get(f"/page/{name}") as response:
        assert response.status == 404
