"""One route as an operation of OpenAPI."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from daemon.api.openapi.failures import failures_of
from daemon.api.openapi.schemas import JsonSchema, Model, Schemas
from daemon.api.problems import RETRIED
from daemon.api.route import Access, Answer, Header, Headers, Media, Route
from daemon.api.wire.about import Problem
from daemon.api.wire.fields import ProcessFields
from daemon.errors import AccessTokenRequired, meaning

Json = dict[str, Any]
VARIABLE: Final = re.compile(r"\{([A-Za-z_]\w*)(?::[^{}]*(?:\{[^{}]*\}[^{}]*)*)?\}")  # as aiohttp has them
SECURITY: Final[Mapping[Access, list[dict[str, list[str]]]]] = {
    Access.OPEN: [],
    Access.CALLER: [{"bearer": []}],
    Access.ACCOUNT: [{"bearer": []}],
    Access.TICKET: [{"bearer": []}, {"ticket": []}],
    Access.ADMIN: [{"bearer": ["admin"]}],
    Access.OWN_WAY: [{}, {"bearer": []}],
}
TICKET: Final = "ticket"  # in the query
PICTURE: Final = {"type": "string", "format": "binary", "description": "the file, with its name"}
RAW_TYPES: Final = ("image/*", "application/octet-stream")
NAME: Final = {
    "name": "name",
    "in": "query",
    "description": "the file's name; of a raw upload only, a part of a form has its own",
    "schema": {"type": "string"},
}
RETRY_AFTER: Final = "seconds after which to ask again"
CHALLENGE: Final = "what to ask with"


def template(route: Route) -> str:
    """The path as OpenAPI has it: variables without what they match."""
    return VARIABLE.sub(r"{\1}", route.path)


def operation_id(route: Route) -> str:
    """`get_jobs_id_result`: method and path, the one name of a route that no other can have."""
    words = re.findall(r"\w+", template(route).removeprefix("/api/"))
    return "_".join([route.method.lower(), *(words or ["root"])])


def models_of(route: Route) -> list[Model]:
    """Every model that its operation speaks of."""
    incoming = [route.query, route.body, ProcessFields if route.upload else None]
    outgoing = [Problem, *(answer.body for answer in route.answers.values() if not isinstance(answer.body, Media))]
    if route.messages is not None:
        incoming += route.messages.client
        outgoing += route.messages.server
    return [
        *((model, "validation") for model in incoming if model is not None),
        *((model, "serialization") for model in outgoing if model is not None),
    ]


def operation(route: Route, routes: Sequence[Route], schemas: Schemas) -> Json:
    """`routes` are all of them, for an answer to link to."""
    described: Json = {
        "operationId": operation_id(route),
        "summary": route.summary,
        "security": SECURITY[route.access],
    }
    if parameters := list(_parameters(route, schemas)):
        described["parameters"] = parameters
    if body := _body(route, schemas):
        described["requestBody"] = {"required": True, "content": body}
    described["responses"] = _responses(route, routes, schemas)
    if route.messages is not None:
        described["x-messages"] = {
            "client": [schemas.incoming(model) for model in route.messages.client],
            "server": [schemas.outgoing(model) for model in route.messages.server],
        }
    return described


def _parameters(route: Route, schemas: Schemas) -> Iterable[Json]:
    for name in VARIABLE.findall(route.path):
        says = {"description": route.variables[name]} if name in route.variables else {}
        yield {"name": name, "in": "path", "required": True, **says, "schema": {"type": "string"}}
    for model in (route.query, ProcessFields if route.upload else None):
        for name, schema in (schemas.text_fields(model) if model is not None else {}).items():
            if (name, route.access) != (TICKET, Access.TICKET):  # there it is a way to prove who asks
                yield _parameter(name, "query", schema)
    if route.upload:
        yield NAME
    for name, header in _described(route.headers):
        pattern = {"pattern": header.pattern} if header.pattern is not None else {}
        yield _parameter(name, "header", {"type": "string", "description": header.says, **pattern})


def _parameter(name: str, place: str, schema: JsonSchema) -> Json:
    says = {"description": schema["description"]} if "description" in schema else {}
    return {"name": name, "in": place, **says, "schema": {k: v for k, v in schema.items() if k != "description"}}


def _described(headers: Headers) -> Iterable[tuple[str, Header]]:
    for name, header in headers.items():
        yield name, header if isinstance(header, Header) else Header(header)


def _body(route: Route, schemas: Schemas) -> Json:
    if route.body is not None:
        return {"application/json": {"schema": schemas.incoming(route.body)}}
    if not route.upload:
        return {}
    form = {
        "type": "object",
        "properties": {"image": PICTURE, **schemas.text_fields(ProcessFields)},
        "required": ["image"],
        "additionalProperties": False,
    }
    return {
        "multipart/form-data": {"schema": form, "encoding": {"image": {"contentType": ", ".join(RAW_TYPES)}}},
        **{media: {} for media in RAW_TYPES},
    }


def _responses(route: Route, routes: Sequence[Route], schemas: Schemas) -> Json:
    responses = {str(status): _answer(answer, routes, schemas) for status, answer in route.answers.items()}
    for status, codes in failures_of(route).items():
        failure, good = _failure(status, codes, schemas), responses.get(str(status))
        if good is not None:
            failure["description"] = f"{good['description']} Or {failure['description']}"
            for part in ("headers", "content"):
                failure[part] = good.get(part, {}) | failure.get(part, {})
        responses[str(status)] = failure
    return dict(sorted(responses.items()))


def _answer(answer: Answer, routes: Sequence[Route], schemas: Schemas) -> Json:
    described: Json = {"description": answer.says}
    if answer.headers:
        described["headers"] = {
            name: {"description": header.says, "required": header.always, "schema": {"type": "string"}}
            for name, header in _described(answer.headers)
        }
    if isinstance(answer.body, Media):
        described["content"] = {media: {} for media in answer.body.types}
    elif answer.body is not None:
        described["content"] = {"application/json": {"schema": schemas.outgoing(answer.body)}}
    if answer.links:
        described["links"] = {
            operation_id(route): {"operationId": operation_id(route), "parameters": {"id": "$response.body#/id"}}
            for route in routes
            if route.path in answer.links
        }
    return described


def _failure(status: int, codes: list[str], schemas: Schemas) -> Json:
    headers: Json = {}
    if not RETRIED.isdisjoint(codes):
        headers["Retry-After"] = {
            "description": RETRY_AFTER,
            "required": RETRIED.issuperset(codes),
            "schema": {"type": "integer", "minimum": 1},
        }
    if AccessTokenRequired.code in codes:
        headers["WWW-Authenticate"] = {"description": CHALLENGE, "required": True, "schema": {"const": "Bearer"}}
    exact = {"properties": {"status": {"const": status}, "code": {"enum": codes}}}
    described: Json = {
        "description": " ".join(f"`{code}`: {meaning(code)}" for code in codes),
        "content": {"application/problem+json": {"schema": {"allOf": [schemas.outgoing(Problem), exact]}}},
    }
    return described | ({"headers": headers} if headers else {})
