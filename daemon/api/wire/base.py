"""What all models of the wire share, and how a query is read into one."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from daemon.errors import BadRequest

Model = TypeVar("Model", bound=BaseModel)
Timestamp = Annotated[str, Field(json_schema_extra={"format": "date-time"})]
Word = Annotated[str, StringConstraints(max_length=64)]


class Wire(BaseModel):
    """What comes in, and what goes out: nothing that is not named."""

    # an answer has every member that it can have, so a schema may promise those with a default too
    model_config = ConfigDict(
        defer_build=True, extra="forbid", frozen=True, json_schema_serialization_defaults_required=True
    )


class OpenWire(BaseModel):
    """A part of an answer that may say more than is named here, and a query that may be asked with more."""

    model_config = ConfigDict(defer_build=True, extra="allow", frozen=True)


def read_text_fields(model: type[Model], fields: Mapping[str, str]) -> Model:
    """Check fields of a query or a form as they came in.

    Raises:
        BadRequest: names every field that is wrong, and why.
    """
    try:
        return model.model_validate(dict(fields))
    except ValidationError as error:
        raise _refusal(error, "a field's name") from None


def read_json_text(model: type[Model], text: bytes) -> Model:
    """Check the JSON of a request's body.

    Raises:
        BadRequest: names every field that is wrong, and why.
    """
    try:
        return model.model_validate_json(text)
    except ValidationError as error:
        raise _refusal(error, "the body") from None


def _refusal(error: ValidationError, whole: str) -> BadRequest:
    wrong = [(".".join(map(str, item["loc"])) or whole, item["msg"]) for item in error.errors()]
    return BadRequest("; ".join(f"{name}: {what}" for name, what in wrong), fields=[name for name, _ in wrong])


def timestamp(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
