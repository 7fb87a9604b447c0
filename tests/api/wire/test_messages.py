"""What goes over the WebSocket."""

from __future__ import annotations

from daemon.api.wire.messages import EventMessage, EventTexts
from daemon.jobs.events import ProgressEvent
from daemon.store.jobs import JobEvent

DONE = JobEvent(7, "a", "ann", "done", {"state": "done", "bytes": 9}, 0.0)
HALF = ProgressEvent("a", "ann", 0.50004)


def test_an_event_is_written_as_the_contract_has_it() -> None:
    texts = EventTexts()
    assert EventMessage.model_validate_json(texts.write(DONE, DONE.seq)) == EventMessage(
        seq=7, job="a", event="done", data={"state": "done", "bytes": 9}
    )
    assert EventMessage.model_validate_json(texts.write(HALF, 7)) == EventMessage(
        seq=7, job="a", event="progress", data={"progress": 0.5}
    )


def test_an_event_is_written_once_for_all_who_are_told_of_it() -> None:
    texts = EventTexts()
    assert texts.write(DONE, DONE.seq) is texts.write(DONE, DONE.seq)
    assert texts.write(HALF, 3) is texts.write(HALF, 3)


def test_progress_has_the_number_of_the_last_change_that_each_subscriber_knows_of() -> None:
    texts = EventTexts()
    assert EventMessage.model_validate_json(texts.write(HALF, 3)).seq == 3
    assert EventMessage.model_validate_json(texts.write(HALF, 4)).seq == 4
    assert EventMessage.model_validate_json(texts.write(ProgressEvent("a", "ann", 0.75), 4)).data == {"progress": 0.75}
