"""What the docs say of the API, made from the code: docs/api.md, docs/openapi.json and the table in the README.

Run it after a change of routes, models or errors; a test fails while a page is stale.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from pydantic import BaseModel

from daemon.api.goodbye import NOT_LET_IN
from daemon.api.live import AUTH_SECONDS
from daemon.api.openapi import document
from daemon.api.openapi.failures import OF_ALL, OF_JOBS, OF_NO_ROUTE, failures_of
from daemon.api.openapi.operations import template
from daemon.api.problems import STATUS
from daemon.api.route import Access, Route
from daemon.api.routes import ROUTES
from daemon.api.wire.messages import (
    AuthenticatedMessage,
    AuthMessage,
    EventMessage,
    ResetMessage,
    SnapshotMessage,
    SubscribeMessage,
)
from daemon.errors import meaning
from scripts.markdown import table
from scripts.schema_words import Json, default, kind, link

ROOT = Path(__file__).parent.parent
MARKED = re.compile(r"(?<=<!-- routes -->\n).*?(?=<!-- /routes -->)", re.DOTALL)

INTRO = """\
# The API

<!-- made by `make api-page`: change the code or the script, not this page -->

Where the service listens, `pro-engine status` says; `runtime.json` in its state folder says it to programs. Most routes
want the access token that `pro-engine token` prints:

```sh
curl -H "Authorization: Bearer $(pro-engine token)" -F image=@holiday.jpg -F scale_factor=4x \\
  http://127.0.0.1:3007/api/process
```

The answer is a job. Follow it over `/ws`, ask for it under its `Location`, or hold the first answer with
`Prefer: wait=30`; once it is `done`, `result_url` has the picture. With an `Idempotency-Key` a request whose answer was
lost can be sent again: it stays one job. `GET /api/openapi.json` serves the whole contract as OpenAPI 3.1, and
[openapi.json](openapi.json) here is the same, for its changes to be seen from version to version. Answers may gain
members, and lists of codes may grow; what is there stays.

Every error is a problem document (RFC 9457, `application/problem+json`) with a stable `code`. A page in a browser may
ask if its origin is listed (`PRO_ENGINE_ORIGINS`). Whatever `GET` fetches, `HEAD` tells of.
"""

SOCKET = f"""\
The first message authenticates, within {AUTH_SECONDS:g} seconds, unless the request had a bearer; the next says what to
be told of. `seq` rises with each state change of this store. A client that comes back with the last `seq` that it saw,
as `since`, misses none, across restarts of the service too; without `since` it gets a snapshot first. Progress is the
newest figure only and is not replayed. An event's `data` has the job's `state`; `progress` has `progress`, 0 to 1;
`done` has `cached`, `device`, `bytes` and `stages`; `failed` has `code` and `message`.

The service closes with {NOT_LET_IN} where a token is missing, wrong or no longer good, with 1013 where a client is too
slow to take its events in, and with 1012 when it restarts: come back with `since`.
"""


def pages() -> dict[Path, str]:
    """Each file's text as it should be."""
    contract = document(ROUTES, "0")  # the file shows changes of the contract, and is none by itself
    readme = ROOT / "README.md"
    return {
        ROOT / "docs" / "openapi.json": json.dumps(contract, indent=1, sort_keys=True, ensure_ascii=False) + "\n",
        ROOT / "docs" / "api.md": "\n".join(_page(contract)),
        readme: MARKED.sub(lambda _: "\n".join(_short_table()), readme.read_text()),
    }


def _short_table() -> Iterator[str]:
    yield from table(
        ("route", "what it does"), [(f"`{route.method} {template(route)}`", route.summary) for route in ROUTES]
    )
    yield ""
    yield "[docs/api.md](docs/api.md) has all parameters, answers and errors; `GET /api/openapi.json` tells programs."
    yield ""


def _page(contract: Json) -> Iterator[str]:
    yield INTRO
    yield "## Routes\n"
    rows = [(_link(route), route.summary, _who(route)) for route in ROUTES]
    yield from table(("route", "what it does", "who may ask"), rows)
    for route in ROUTES:
        yield from _section(route, contract["paths"][template(route)][route.method.lower()])
    yield "\n## Errors\n"
    yield "These may come from any route: " + ", ".join(f"`{error.code}`" for error in OF_ALL) + ";"
    yield "and where a path or a method leads nowhere: " + ", ".join(f"`{error.code}`" for error in OF_NO_ROUTE) + ".\n"
    yield from table(("code", "status", "meaning"), _errors())
    yield "\n## Shapes\n"
    yield "Members of JSON that comes and goes. Those that may be null say so."
    for name, schema in contract["components"]["schemas"].items():
        yield from _shape(name, schema)


def _link(route: Route) -> str:
    title = f"{route.method} {template(route)}"
    anchor = re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")
    return f"[`{title}`](#{anchor})"


def _who(route: Route) -> str:
    return {Access.OPEN: "every local program", Access.CALLER: "a bearer"}.get(route.access, route.access.value)


def _section(route: Route, operation: Json) -> Iterator[str]:
    yield f"\n### `{route.method} {template(route)}`\n\n{route.summary} Who may ask: {_who(route)}.\n"
    parameters = operation.get("parameters", [])
    if route.upload:
        fields = operation["requestBody"]["content"]["multipart/form-data"]["schema"]
        yield "A form (`multipart/form-data`) with the picture as `image` and the fields beside it; or the picture as"
        yield "the body, with the fields, and the file's `name`, in the query. Only the picture has to be there.\n"
        yield from table(("field", "values", "default", "meaning"), _members(fields))
        yield ""
        parameters = [one for one in parameters if one["in"] != "query"]
    if route.body is not None:
        yield f"Body: {kind(operation['requestBody']['content']['application/json']['schema'])}\n"
    if parameters:
        yield from table(("parameter", "values", "default", "meaning"), [_parameter(one) for one in parameters])
        yield ""
    for status, answer in route.answers.items():
        body = operation["responses"][str(status)].get("content", {})
        yield f"- **{status}** {answer.says} {_body(body)}".rstrip()
        yield from (f"  - `{name}`: {_said(header)}" for name, header in _headers(operation, status, answer.headers))
    yield f"- Errors: {_wrong(route)}[those of all routes](#errors)"
    if route.messages is not None:
        yield f"\n{SOCKET}"
        for who, messages in (("client", route.messages.client), ("service", route.messages.server)):
            yield f"- The {who} sends " + ", ".join(link(message.__name__) for message in messages)
        yield "\n```\n" + "\n".join(_exchange()) + "\n```"


def _wrong(route: Route) -> str:
    of_all = {error.code for error in OF_ALL}
    own = {
        status: [f"`{code}`" for code in codes if code not in of_all] for status, codes in failures_of(route).items()
    }
    return "".join(f"{status} {', '.join(codes)}; " for status, codes in own.items() if codes)


def _headers(operation: Json, status: int, names: Iterable[str]) -> Iterator[tuple[str, Json]]:
    found = operation["responses"][str(status)].get("headers", {})
    return ((name, found[name]) for name in names)


def _said(header: Json) -> str:
    return str(header["description"]) + ("" if header["required"] else ", where it is known")


def _body(content: Json) -> str:
    named = [kind(media["schema"]) for media in content.values() if media.get("schema", {}).get("$ref")]
    plain = [f"`{media}`" for media, what in content.items() if not what]
    return " or ".join(named + plain)


def _parameter(parameter: Json) -> tuple[str, ...]:
    schema, says = parameter["schema"], parameter.get("description", "")
    place = "" if parameter["in"] == "query" else f" ({parameter['in']})"
    return f"`{parameter['name']}`{place}", kind(schema), default(schema), says


def _members(schema: Json) -> list[tuple[str, ...]]:
    return [
        (f"`{name}`", kind(member), default(member), member.get("description", ""))
        for name, member in schema["properties"].items()
    ]


def _shape(name: str, schema: Json) -> Iterator[str]:
    yield f"\n### {name}\n"
    if "description" in schema:
        yield schema["description"] + "\n"
    if "properties" in schema:
        required = {f"`{name}`" for name in schema.get("required", [])}
        rows = [
            (member if member in required else f"{member} (optional)", values, says)
            for member, values, _, says in _members(schema)
        ]
        yield from table(("member", "values", "meaning"), rows)
    else:
        yield kind(schema)


def _errors() -> list[tuple[str, ...]]:
    of_jobs = {error.code for error in OF_JOBS}
    rows = [(code, f"{status}, or of a job" if code in of_jobs else str(status)) for code, status in STATUS.items()]
    rows += [(error.code, "of a job") for error in OF_JOBS if error.code not in STATUS]
    return [(f"`{code}`", status, meaning(code)) for code, status in rows]


def _exchange() -> Iterator[str]:
    """A short one, made of the models so that it is true."""
    store, job = "5f9c2b7a", "8a1d7c0e4f5b4b6f9d2a3c1e0f7b6a59"
    stages = {"decode_ms": 9.1, "upscale_ms": 142.3, "encode_ms": 88.0}
    done = {"state": "done", "cached": False, "device": "Radeon 780M", "bytes": 8_412_332, "stages": stages}
    said: Sequence[tuple[str, BaseModel]] = (
        ("→", AuthMessage(type="auth", token="...")),
        ("←", AuthenticatedMessage(store=store)),
        ("→", SubscribeMessage(type="subscribe", jobs="*")),
        ("←", SnapshotMessage(store=store, seq=41, jobs=[])),
        ("←", EventMessage(seq=42, job=job, event="queued", data={"state": "queued"})),
        ("←", EventMessage(seq=43, job=job, event="started", data={"state": "running"})),
        ("←", EventMessage(seq=43, job=job, event="progress", data={"progress": 0.61})),
        ("←", EventMessage(seq=44, job=job, event="done", data=done)),
        ("… the connection breaks, and the client comes back; it has seen 43 and authenticates again\n→",
         SubscribeMessage(type="subscribe", jobs="*", since=43, store=store)),
        ("←", EventMessage(seq=44, job=job, event="done", data=done)),
        ("… to a client that was away for longer than events are kept\n←", ResetMessage(store=store, seq=9041)),
        ("←", SnapshotMessage(store=store, seq=9041, jobs=[])),
    )  # fmt: skip
    for way, message in said:
        yield f"{way} {message.model_dump_json(exclude_none=True)}"


def main() -> None:
    for path, text in pages().items():
        path.write_text(text)


if __name__ == "__main__":
    main()
