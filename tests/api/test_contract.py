"""The service keeps its contract: Schemathesis asks over real sockets for what the served document allows, and for what
it forbids.

PRO_ENGINE_TEST_EXAMPLES=1000 in the environment asks more, and otherwise each time.
"""

from __future__ import annotations

import asyncio
import json
import os
import threading
import urllib.request
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import schemathesis
from hypothesis import strategies as st
from schemathesis.generation.stateful import APIStateMachine
from schemathesis.schemas import BaseSchema

from daemon.api.openapi import document
from daemon.api.openapi.operations import VARIABLE, template
from daemon.api.route import Access
from daemon.api.routes import ROUTES
from tests.api.conftest import Service, png, running

Case = schemathesis.Case[Any]
MORE = os.environ.get("PRO_ENGINE_TEST_EXAMPLES")
EXAMPLES = int(MORE or 30)  # of each operation, beside those that cover its schema
PATIENCE = 30
# No schema says which bytes are a picture.
UPLOADS = st.sampled_from([png(number=1), png(number=2, form="jpeg"), png(number=3)[:-20]]) | st.binary(max_size=60)
schemathesis.openapi.media_type("image/*", UPLOADS)
schemathesis.openapi.media_type("application/octet-stream", UPLOADS)

# It judges by what was meant to be sent: a part that our own header replaces, or that does not reach the wire, counts
# as accepted. That wrong fields are refused, each by its name, the tests of the routes say.
NO_VERDICT: dict[str, Any] = {"negative_data_rejection": {"enabled": False}}
CHECKS_FOR_CALLERS: dict[str, Any] = NO_VERDICT | {
    # a job that was cancelled is a job still: DELETE stops it, and its owner may ask what became of it
    "use_after_free": {"enabled": False},
}
CHECKS_FOR_STRANGERS: dict[str, Any] = NO_VERDICT | {
    # nothing that they send is accepted, and what methods there are they do not learn
    "positive_data_acceptance": {"enabled": False},
    "unsupported_method": {"enabled": False},
}
OPERATIONS_FOR_CALLERS: list[dict[str, Any]] = [
    {
        "include-name": "POST /api/preflight",
        # as of process: sizes that contradict each other, formats that are none
        "checks": {"positive_data_acceptance": {"expected-statuses": ["2xx", "400", "415", "422", "429"]}},
    },
    {
        "include-name": "POST /api/pairings/{id}/claim",
        "checks": {"positive_data_acceptance": {"expected-statuses": ["2xx", "403", "410"]}},
    },
    {
        "include-name": "POST /api/process",
        "checks": {
            # 400: two ways to say how large, or a scale of 0 or 9; 415, 422: bytes that are no picture, or a target
            # that is not 0.01 to 8 times this one. Tests of the route give each of them.
            "positive_data_acceptance": {"expected-statuses": ["2xx", "400", "409", "415", "422", "429"]},
        },
    },
    {
        "include-name": "GET /api/jobs/{id}/result",
        "checks": {
            # the answer depends on the file: 412 for another's tag, 416 for a range beyond its end
            "positive_data_acceptance": {"expected-statuses": ["2xx", "304", "404", "409", "412", "416"]},
        },
    },
    # what asks here is no WebSocket client
    {"include-name": "GET /ws", "checks": {"positive_data_acceptance": {"expected-statuses": ["400"]}}},
]


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory, kernel_cache: Path) -> Iterator[Service]:
    """A service on a thread and a loop of its own: Schemathesis waits for its answers."""
    found: Future[tuple[Service, asyncio.AbstractEventLoop, asyncio.Event]] = Future()

    async def serve() -> None:
        async with running(tmp_path_factory.mktemp("contract"), kernel_cache) as service:
            enough = asyncio.Event()
            found.set_result((service, asyncio.get_running_loop(), enough))
            await enough.wait()

    def run() -> None:
        try:
            asyncio.run(serve())
        except BaseException as error:
            if found.done():
                raise
            found.set_exception(error)

    thread = threading.Thread(target=run, name="served")
    thread.start()
    service, loop, enough = found.result()
    yield service
    loop.call_soon_threadsafe(enough.set)
    thread.join()


@pytest.fixture(scope="session")
def done(served: Service) -> str:
    """The id of a job that is done."""
    headers = {"Authorization": f"Bearer {served.token}", "Prefer": "wait=30", "Content-Type": "image/png"}
    url = f"http://127.0.0.1:{served.port}/api/process"
    with urllib.request.urlopen(urllib.request.Request(url, data=png(), headers=headers)) as response:
        job = json.load(response)
    assert job["state"] == "done"
    return str(job["id"])


def contract(checks: dict[str, Any], operations: list[dict[str, Any]], paths: str, *, prove: bool) -> BaseSchema:
    """What there is under `paths`; with `prove`, Schemathesis makes up bearers and tickets."""
    generation = {
        "max-examples": EXAMPLES,
        "database": "none",
        "deterministic": MORE is None,
        "with-security-parameters": prove,
    }
    settings: dict[str, Any] = {
        "request-timeout": PATIENCE,
        "generation": generation,
        "checks": checks,
        "operations": operations,
        "phases": {
            "coverage": {"generate-duplicate-query-parameters": True},
            # the links of the document only: others would lead from lists of jobs, which grow meanwhile
            "stateful": {"inference": {"algorithms": []}},
        },
    }
    if MORE is None:
        settings["seed"] = 1
    # made here, so that each operation is a test; that it is the one which is served, a test below says
    made = document(ROUTES, "any")
    made["paths"] = {path: methods for path, methods in made["paths"].items() if path.startswith(paths)}
    return schemathesis.openapi.from_dict(made, config=schemathesis.Config.from_dict(settings))


FOR_CALLERS = contract(CHECKS_FOR_CALLERS, OPERATIONS_FOR_CALLERS, "/", prove=False)
ABOUT_A_JOB = contract(CHECKS_FOR_CALLERS, OPERATIONS_FOR_CALLERS, "/api/jobs/{id}", prove=False)
FOR_STRANGERS = contract(CHECKS_FOR_STRANGERS, [], "/", prove=True)


def at(service: Service, **headers: str) -> dict[str, Any]:
    return {"base_url": f"http://127.0.0.1:{service.port}", "headers": headers}


@FOR_CALLERS.parametrize()
@pytest.mark.timeout(600)
def test_every_answer_to_a_caller_is_one_of_the_contract(case: Case, served: Service) -> None:
    case.call_and_validate(**at(served, Authorization=f"Bearer {served.token}"))


@ABOUT_A_JOB.parametrize()
@pytest.mark.timeout(600)
def test_every_answer_about_a_job_that_is_there_is_one_of_the_contract(case: Case, served: Service, done: str) -> None:
    """No random text is the id of one."""
    case.path_parameters["id"] = done
    case.call_and_validate(**at(served, Authorization=f"Bearer {served.token}"))


@FOR_STRANGERS.parametrize()
@pytest.mark.timeout(600)
def test_every_answer_to_a_stranger_is_one_of_the_contract(case: Case, served: Service) -> None:
    case.call_and_validate(**at(served))


@pytest.mark.timeout(600)
def test_answers_lead_on_to_others_as_the_links_say(served: Service) -> None:
    # a queue that is held would hold every answer that waits for a job
    states: type[APIStateMachine] = FOR_CALLERS.exclude(path_regex="^/api/queue/").as_state_machine()
    seen: set[tuple[str, int]] = set()

    class Caller(states):  # type: ignore[misc,valid-type]  # made from the document
        def get_call_kwargs(self, case: Case) -> dict[str, Any]:  # noqa: ARG002
            # an answer that is held until the job is over is the same each time
            return at(served, Authorization=f"Bearer {served.token}", Prefer="wait=30")

        def after_call(self, response: schemathesis.Response, case: Case) -> None:
            seen.add((case.operation.label, response.status_code))

    Caller.run(
        settings=hypothesis.settings(
            max_examples=EXAMPLES,
            stateful_step_count=6,
            deadline=None,
            database=None,
            derandomize=MORE is None,
            suppress_health_check=list(hypothesis.HealthCheck),
        )
    )
    assert ("GET /api/jobs/{id}", 200) in seen
    assert ("DELETE /api/jobs/{id}", 200) in seen


async def get(service: Service, path: str, **options: Any) -> tuple[int, Any, bytes]:
    async with service.stranger() as stranger, stranger.request(options.pop("method", "GET"), path, **options) as got:
        return got.status, got.headers, await got.read()


@pytest.mark.asyncio(loop_scope="session")
async def test_the_document_is_served_to_everybody_as_it_is_made(service: Service) -> None:
    status, headers, text = await get(service, "/api/openapi.json")
    assert (status, headers["Content-Type"]) == (200, "application/json")
    served = json.loads(text)
    assert served == json.loads(json.dumps(document(ROUTES, served["info"]["version"])))


@pytest.mark.asyncio(loop_scope="session")
async def test_a_client_that_has_the_document_does_not_get_it_again(service: Service) -> None:
    _, headers, _ = await get(service, "/api/openapi.json")
    for known, status in ((headers["ETag"], 304), (f'"x", W/{headers["ETag"]}', 304), ("*", 304), ('"x"', 200)):
        got, again, text = await get(service, "/api/openapi.json", headers={"If-None-Match": known})
        assert (got, again["ETag"], bool(text)) == (status, headers["ETag"], status == 200)


@pytest.mark.asyncio(loop_scope="session")
@pytest.mark.parametrize(
    "path", [template(route) for route in ROUTES if route.method == "GET" and route.access is not Access.OWN_WAY]
)
async def test_head_answers_as_get_does_without_the_body(service: Service, path: str) -> None:
    job = (await service.submit())["id"] if "{" in path else ""
    answers = []
    for method in ("GET", "HEAD"):
        async with service.session.request(method, VARIABLE.sub(job, path)) as answer:
            answers.append((answer.status, answer.content_type, await answer.read()))
    assert answers[0][:2] == answers[1][:2]
    assert answers[0][2]
    assert not answers[1][2]


@pytest.mark.asyncio(loop_scope="session")
@pytest.mark.parametrize(
    ("path", "name"),
    [("/api/jobs?limit=1&limit=2", "limit"), ("/health?challenge=a&challenge=a", "challenge")],
)
async def test_a_parameter_that_comes_twice_is_refused_by_name(service: Service, path: str, name: str) -> None:
    status, body = await service.json("GET", path)
    assert (status, body["code"], body["fields"]) == (400, "bad_request", [name])


@pytest.mark.asyncio(loop_scope="session")
async def test_a_field_of_a_raw_upload_that_comes_twice_is_refused_by_name(service: Service) -> None:
    status, body = await service.json("POST", "/api/process?quality=1&quality=2", data=png())
    assert (status, body["fields"]) == (400, ["quality"])
    assert service.temporary() == []


@pytest.mark.asyncio(loop_scope="session")
async def test_a_ticket_that_comes_twice_is_refused(service: Service) -> None:
    job = await service.submit()
    ticket = job["result_url"].partition("?")[2]
    status, _, _ = await get(service, f"{job['result_url']}&{ticket}")
    assert status == 400
