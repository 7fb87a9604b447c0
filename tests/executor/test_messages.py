from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.errors import OutOfMemory, ProEngineError
from daemon.executor import messages, needs
from daemon.executor.messages import AnyMessage, Cancel, Fault, Message, from_line, to_line

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)  # lone surrogates are no text
NUMBER = st.floats(allow_nan=False, allow_infinity=False)
FILE = st.builds(messages.FileRef, path=TEXT)
SIDE = st.integers(1, 100_000)
WORK = st.builds(messages.Work, width=SIDE, height=SIDE, quality=st.integers(1, 100))
STAGES = st.builds(messages.Stages, decode_ms=NUMBER, upscale_ms=NUMBER, encode_ms=NUMBER)
BYTES = st.none() | st.integers(0, 2**63)
COUNT = st.integers(1, 2**31)
TILES = st.builds(needs.GridTiles, most=st.tuples(SIDE, SIDE), align=COUNT) | st.builds(
    needs.BandTiles, threads=COUNT, per_thread=COUNT, scratch_samples=COUNT, band_samples=COUNT, least_rows=COUNT
)
FOOTPRINT = st.builds(
    needs.Footprint,
    idle_bytes=SIDE, decode=st.tuples(NUMBER, NUMBER), encode=st.dictionaries(TEXT, st.tuples(NUMBER, NUMBER)),
)  # fmt: skip
DEVICE = st.builds(
    messages.DeviceFacts,
    name=TEXT, kind=TEXT, backend=TEXT, memory_bytes=BYTES, device_class=TEXT,
    tiles=st.none() | TILES, footprint=st.none() | FOOTPRINT,
)  # fmt: skip
REJECTION = st.builds(messages.Rejection, name=TEXT, reason=TEXT, quarantined=st.booleans())
FAULT = st.builds(Fault, code=TEXT, message=TEXT)
HEADER = st.builds(
    messages.Header,
    format=st.sampled_from(["PNG", "JPEG", "WEBP"]), width=SIDE, height=SIDE, mode=TEXT, has_alpha=st.booleans(),
)  # fmt: skip
ANY: st.SearchStrategy[AnyMessage] = st.one_of(
    st.builds(messages.Run, job=TEXT, source=FILE, sink=FILE, work=WORK),
    st.builds(Cancel, job=TEXT),
    st.builds(messages.Opened, device=DEVICE, rejected=st.lists(REJECTION, max_size=3), others=st.lists(TEXT)),
    st.builds(messages.Ready),
    st.builds(messages.Progress, job=TEXT, fraction=NUMBER, stage=st.sampled_from(["decode", "upscale", "encode"])),
    st.builds(messages.Done, job=TEXT, device=DEVICE, stages=STAGES, width=SIDE, height=SIDE, size=SIDE, sha256=TEXT),
    st.builds(messages.Failed, job=TEXT, fault=FAULT),
    st.builds(messages.Probe, source=FILE),
    st.builds(messages.Probed, header=st.none() | HEADER, fault=st.none() | FAULT),
)


@given(ANY)
@settings(max_examples=60, deadline=None)
def test_a_message_is_one_line_and_comes_back_as_it_was(message: Message) -> None:
    line = to_line(message)
    assert line.count(b"\n") == 1
    assert line.endswith(b"\n")
    assert from_line(line) == message


@given(st.binary(max_size=60))
@settings(max_examples=60, deadline=None)
def test_a_line_of_anything_is_a_value_error(line: bytes) -> None:
    with pytest.raises(ValueError, match="not a message"):
        from_line(line)


@pytest.mark.parametrize(
    "line",
    [
        b'{"op":"cancel"}',
        b'{"op":"cancel","job":1}',
        b'{"op":"cancel","job":"a","more":1}',
        b'{"op":"dance","job":"a"}',
        b'{"job":"a"}',
        b'{"op":"cancel","job":"\xff"}',
    ],
)
def test_nearly_a_message_is_none(line: bytes) -> None:
    with pytest.raises(ValueError, match="not a message"):
        from_line(line)


def test_an_error_keeps_its_kind_over_the_border_and_an_unknown_one_is_internal() -> None:
    error = Fault.of(OutOfMemory("too large")).error()
    assert (type(error), error.message) == (OutOfMemory, "too large")
    assert type(Fault(code="new_in_a_later_version", message="x").error()) is ProEngineError


def test_a_figure_that_is_none_is_refused_by_its_reader() -> None:
    line = to_line(messages.Progress(job="a", fraction=math.nan, stage="decode"))
    with pytest.raises(ValueError, match="not a message"):
        from_line(line)
