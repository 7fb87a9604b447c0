"""What a client may have already: answers that are known by an entity tag (RFC 9110, section 8.8.3)."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from aiohttp import hdrs, web


@dataclass(frozen=True)
class Tagged:
    """Bytes that stay as they are for as long as the daemon lives."""

    body: bytes
    content_type: str
    charset: str | None = None

    @cached_property
    def tag(self) -> str:
        """Without quotes."""
        return hashlib.sha256(self.body).hexdigest()[:32]


def send(request: web.Request, tagged: Tagged, headers: Mapping[str, str]) -> web.Response:
    """304 for whoever has it."""
    own = {**headers, hdrs.ETAG: f'"{tagged.tag}"'}
    if any(tag.value in {tagged.tag, "*"} for tag in request.if_none_match or ()):
        return web.Response(status=304, headers=own)
    return web.Response(body=tagged.body, headers=own, content_type=tagged.content_type, charset=tagged.charset)
