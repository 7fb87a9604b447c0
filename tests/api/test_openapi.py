"""The OpenAPI document: valid, and neither more nor less than what there is."""

from __future__ import annotations

import ast
import inspect
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator
from pydantic import BaseModel

from daemon import errors
from daemon.api.guard import ALLOWED_HEADERS, EXPOSED_HEADERS
from daemon.api.openapi import document
from daemon.api.openapi.failures import BY_ACCESS, OF_ALL, OF_JOBS, OF_NO_ROUTE
from daemon.api.openapi.operations import operation_id, template
from daemon.api.problems import HTTP_CODES, RETRIED, STATUS
from daemon.api.route import Access
from daemon.api.routes import ROUTES
from daemon.api.wire import messages
from daemon.api.wire.about import OutageOut, Problem
from daemon.app import build_app
from daemon.errors import ProEngineError, meaning
from daemon.store.jobs import JobEvent
from supervisor.outage_answer import CODE, PREFLIGHT, OutageReport, answer
from tests.api.conftest import Service

DAEMON = Path(__file__).parent.parent.parent / "daemon"
DOCUMENT = document(ROUTES, "0.1.0")
# What no client of the API meets: said by commands and at the start.
OF_COMMANDS = {
    *("wrong_settings", "store_too_new", "service_unreachable", "service_refused", "unexpected_answer"),
    *("sign_in_refused", "migration_refused", "migration_interrupted", "rulings_needed"),
}
# What a job ends with that is no failure: its state says it.
OF_STATES = {"cancelled", "set_aside"}


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in DOCUMENT["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation


def operation(method: str, path: str) -> dict[str, Any]:
    return dict(DOCUMENT["paths"][path][method])


def parameters(method: str, path: str) -> dict[str, dict[str, Any]]:
    return {one["name"]: one for one in operation(method, path)["parameters"]}


def test_it_is_valid() -> None:
    OpenAPIV31SpecValidator(json.loads(json.dumps(DOCUMENT))).validate()


@pytest.mark.asyncio(loop_scope="session")
async def test_it_describes_every_route_that_the_application_has_and_no_other(service: Service) -> None:
    """Whoever adds one beside the table is found too."""
    served = {
        (route.method, route.resource.canonical)
        for route in build_app(service.parts).router.routes()
        if route.resource is not None
    }
    described = {(method, path) for method, path, _ in operations()}
    head = {("HEAD", template(one)) for one in ROUTES if one.method == "GET" and one.access is not Access.OWN_WAY}
    assert served == described | head


def test_each_route_has_a_name_of_its_own() -> None:
    names = [operation_id(route) for route in ROUTES]
    assert sorted(set(names)) == sorted(names)
    assert all(name.isidentifier() for name in names)


def test_each_model_has_a_name_of_its_own() -> None:
    assert [name for name in DOCUMENT["components"]["schemas"] if not name.isalnum()] == []


def test_every_part_of_it_that_is_named_is_used_and_the_other_way_round() -> None:
    text = json.dumps(DOCUMENT)
    for name in DOCUMENT["components"]["schemas"]:
        assert f'"#/components/schemas/{name}"' in text
    schemes = {name for _, _, one in operations() for way in one["security"] for name in way}
    assert schemes == set(DOCUMENT["components"]["securitySchemes"])


def test_who_may_ask_is_said_of_every_way_to_ask() -> None:
    assert operation("get", "/health")["security"] == []
    assert operation("get", "/api/jobs")["security"] == [{"bearer": []}]
    assert operation("get", "/api/jobs/{id}/result")["security"] == [{"bearer": []}, {"ticket": []}]
    assert set(BY_ACCESS) == set(Access)


def test_parameters_have_their_bounds_and_say_what_they_mean() -> None:
    found = parameters("get", "/api/jobs")
    assert found["limit"]["schema"] == {"type": "integer", "minimum": 1, "maximum": 200, "default": 50}
    assert found["state"]["schema"] == {"$ref": "#/components/schemas/JobState"}
    assert found["cursor"]["description"] == "of the page before"
    assert [one["name"] for _, _, found in operations() for one in found.get("parameters", []) if not says(one)] == []


def says(parameter: dict[str, Any]) -> bool:
    return bool(parameter.get("description"))


def test_nothing_in_a_query_or_a_form_is_null() -> None:
    form = operation("post", "/api/process")["requestBody"]["content"]["multipart/form-data"]["schema"]
    assert '"null"' not in json.dumps(form)
    assert "null" not in json.dumps([one for _, _, found in operations() for one in found.get("parameters", [])])


def test_a_ticket_is_a_way_to_prove_who_asks_and_no_parameter() -> None:
    assert "ticket" not in parameters("get", "/api/jobs/{id}/result")
    assert {"id", "Range", "If-Match", "If-None-Match"} == set(parameters("get", "/api/jobs/{id}/result"))


def test_a_picture_is_taken_as_a_form_and_raw() -> None:
    content = operation("post", "/api/process")["requestBody"]["content"]
    form = content["multipart/form-data"]["schema"]
    assert {"image", "scale_factor", "quality", "client"} <= set(form["properties"])
    assert form["required"] == ["image"]
    assert {"image/*", "application/octet-stream"} < set(content)
    query = {one["name"] for one in operation("post", "/api/process")["parameters"] if one["in"] == "query"}
    assert query == set(form["properties"]) - {"image"} | {"name"}


def test_a_job_that_was_made_leads_to_all_that_can_be_asked_of_it() -> None:
    for status in ("200", "202"):
        links = operation("post", "/api/process")["responses"][status]["links"]
        assert set(links) == {"get_jobs_id", "delete_jobs_id", "get_jobs_id_result"}


def test_an_error_has_its_codes_and_the_headers_that_come_with_it() -> None:
    responses = operation("post", "/api/process")["responses"]
    exact = responses["422"]["content"]["application/problem+json"]["schema"]["allOf"][1]["properties"]
    assert exact == {"status": {"const": 422}, "code": {"enum": ["broken_image", "image_too_large"]}}
    assert responses["503"]["headers"]["Retry-After"]["required"]
    assert not responses["429"]["headers"]["Retry-After"]["required"], "no day brings a tier another scale"
    assert responses["401"]["headers"]["WWW-Authenticate"]["required"]
    assert "401" not in operation("get", "/health")["responses"]


def test_every_error_that_a_client_can_meet_has_a_meaning_and_a_place() -> None:
    classes = {error.code: error for error in ProEngineError.__subclasses__()} | {ProEngineError.code: ProEngineError}
    assert set(STATUS) <= set(classes)
    assert set(classes) - OF_COMMANDS - OF_STATES == set(STATUS) | {error.code for error in OF_JOBS}
    for code in classes.keys() - OF_COMMANDS:
        assert meaning(code).endswith("."), code
    placed = {error.code for error in (*OF_ALL, *OF_NO_ROUTE, *BY_ACCESS[Access.ADMIN])}
    placed |= {error.code for route in ROUTES for error in route.errors}
    assert set(STATUS) == placed
    assert set(HTTP_CODES.values()) <= set(STATUS)


def test_every_error_that_a_route_names_has_a_status() -> None:
    named = {error.code for route in ROUTES for error in (*route.errors, *BY_ACCESS[route.access])}
    assert named <= set(STATUS)


def raised(folder: Path) -> Iterator[tuple[str, set[str]]]:
    """The error classes that a folder's code makes, and the details that it gives them."""
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                made = getattr(errors, node.func.id, None)
                if inspect.isclass(made) and issubclass(made, ProEngineError):
                    yield made.code, {keyword.arg or "" for keyword in node.keywords}


@pytest.mark.parametrize("folder", ["api", "accounts", "jobs", "store"])
def test_every_error_that_is_raised_on_the_way_of_a_request_has_a_status(folder: str) -> None:
    of_jobs = {error.code for error in OF_JOBS}
    assert {code for code, _ in raised(DAEMON / folder)} - OF_COMMANDS - of_jobs <= set(STATUS)


def test_what_may_be_asked_again_says_when_wherever_it_is_raised() -> None:
    found = [(code, "retry_after" in details) for code, details in raised(DAEMON)]
    assert {code for code, says_when in found if says_when} == RETRIED - {CODE}
    assert {code for code, says_when in found if not says_when}.isdisjoint(RETRIED)


def test_the_supervisor_answers_for_a_daemon_that_is_not_there_in_its_form() -> None:
    def ask(path: str) -> tuple[bytes, bytes]:
        report = OutageReport("the daemon fails", "ab12", 30.0, 7)
        head = f"GET {path} HTTP/1.1\r\n\r\n".encode()
        sent = answer(head, report, now=1.5, port=3007, prove=lambda challenge, port: f"{challenge}{port}")
        top, _, body = sent.partition(b"\r\n\r\n")
        return top, body

    top, body = ask("/api/jobs")
    problem = Problem.model_validate_json(body)
    assert (problem.code, problem.status) == (errors.DaemonUnavailable.code, STATUS[problem.code])
    assert b"Content-Type: application/problem+json" in top
    assert b"Retry-After: 29" in top
    assert OutageOut.model_validate_json(ask("/health?challenge=x")[1]).proof == "x3007"


def test_a_page_may_send_and_read_every_header_that_is_described() -> None:
    sent = {one["name"] for _, _, found in operations() for one in found.get("parameters", []) if one["in"] == "header"}
    assert sent <= set(ALLOWED_HEADERS.split(", "))
    answers = [answer for _, _, found in operations() for answer in found["responses"].values()]
    read = {name for answer in answers for name in answer.get("headers", {})}
    # that is for browsers themselves, which do not ask a person for a bearer
    assert read - {"WWW-Authenticate"} <= set(EXPOSED_HEADERS.split(", "))
    assert f"Access-Control-Allow-Headers: {ALLOWED_HEADERS}" in PREFLIGHT, "so that a page sees why there is no daemon"


def test_every_message_of_the_socket_is_described() -> None:
    union = get_args(get_args(messages.ClientMessage)[0])
    assert union == messages.FROM_CLIENT
    models = {
        one for one in vars(messages).values() if inspect.isclass(one) and issubclass(one, BaseModel)
        if one.__module__ == messages.__name__
    }  # fmt: skip
    assert models == {*messages.FROM_CLIENT, *messages.FROM_SERVER}
    described = operation("get", "/ws")["x-messages"]
    assert described["client"] == [{"$ref": f"#/components/schemas/{one.__name__}"} for one in messages.FROM_CLIENT]
    assert described["server"] == [{"$ref": f"#/components/schemas/{one.__name__}"} for one in messages.FROM_SERVER]


def test_an_event_is_what_the_document_says() -> None:
    event = JobEvent(7, "job", "ann", "started", {"state": "running"}, 0.0)
    sent = json.loads(messages.EventTexts().write(event, event.seq))
    assert messages.EventMessage.model_validate(sent).model_dump() == sent


def test_it_is_the_same_in_every_process() -> None:
    code = (
        "import json; from daemon.api.openapi import document; from daemon.api.routes import ROUTES; "
        "print(json.dumps(document(ROUTES, '0.1.0')))"
    )
    for seed in ("1", "2"):
        made = subprocess.run(
            [sys.executable, "-c", code], env={"PYTHONHASHSEED": seed, "PYTHONPATH": str(DAEMON.parent)},
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert made.stdout == json.dumps(DOCUMENT) + "\n"


def test_a_variable_that_says_what_it_matches_is_only_a_name() -> None:
    route = next(route for route in ROUTES if "{id}" in route.path)
    odd = type(route)("GET", "/x/{name:[^{}/]+}", route.handler, "", Access.OPEN, {})
    assert template(odd) == "/x/{name}"
