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
    model_config = ConfigDict(extra="forbid", frozen=True, json_schema_serialization_defaults_required=True)


class OpenWire(BaseModel):
    """A part of an answer that may say more than is named here, and a query that may be asked with more."""

    model_config = ConfigDict(extra="allow", frozen=True)


def read_text_fields(model: type[Model], fields: Mapping[str, str]) -> Model:
    """Check fields of a query or a form as they came in.

    Raises:
        BadRequest: names every field that is wrong, and why.
    """
    try:
        return model.model_validate(dict(fields))
    except ValidationError as error:
        wrong = [(str(item["loc"][0]) if item["loc"] else "a field's name", item["msg"]) for item in error.errors()]
        says = "; ".join(f"{name}: {what}" for name, what in wrong)
        raise BadRequest(says, fields=[name for name, _ in wrong]) from None


def timestamp(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
