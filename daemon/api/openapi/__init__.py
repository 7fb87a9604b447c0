"""The contract: an OpenAPI 3.1 document, made from the table of routes and the models of the wire."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from daemon.api.openapi.failures import OF_NO_ROUTE
from daemon.api.openapi.operations import TICKET, Json, models_of, operation, template
from daemon.api.openapi.schemas import schemas_of
from daemon.api.problems import STATUS
from daemon.api.route import Route
from daemon.errors import meaning

DESCRIPTION: Final = """\
Small pictures in, large ones out, on this machine's GPU.

Whatever can be fetched by `GET` answers `HEAD` too. Every error is a problem document (RFC 9457) with a stable `code`.
Answers may gain members, and lists of codes may grow: a client leaves alone what it does not know.
"""
SECURITY_SCHEMES: Final[dict[str, Any]] = {
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "description": "The access token. The role `admin`, where it is asked for, is that of the machine's own token.",
    },
    "ticket": {
        "type": "apiKey",
        "in": "query",
        "name": TICKET,
        "description": "Of a job's `result_url`, for one result and ten minutes: a link cannot send a bearer.",
    },
}


def document(routes: Sequence[Route], version: str) -> Json:
    """The whole contract; `version` is that of the program."""
    schemas = schemas_of(model for route in routes for model in models_of(route))
    paths: dict[str, Json] = {}
    for route in routes:
        paths.setdefault(template(route), {})[route.method.lower()] = operation(route, routes, schemas)
    nowhere = " ".join(f"{STATUS[error.code]} `{error.code}`: {meaning(error.code)}" for error in OF_NO_ROUTE)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Pro Engine",
            "version": version,
            "description": f"{DESCRIPTION}\nWhere a path or a method leads nowhere: {nowhere}",
        },
        "servers": [{"url": "/", "description": "where this document was read"}],
        "paths": paths,
        "components": {"schemas": schemas.used_in(paths), "securitySchemes": SECURITY_SCHEMES},
    }
