"""The wire's models as JSON Schema, each under `#/components/schemas` as it comes in or as it goes out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, models_json_schema
from pydantic_core import core_schema

JsonSchema = dict[str, Any]
Mode = Literal["validation", "serialization"]
Model = tuple[type[BaseModel], Mode]
PLACE: Final = "#/components/schemas/"


class _Generator(GenerateJsonSchema):
    """Without a title for each member, which only repeats its name; and open where it describes what we say: a later
    version may say more, and a client that is made from this one is to let it.
    """

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002
        return False

    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchema:
        found = super().model_schema(schema)
        if self.mode == "serialization" and found.get("additionalProperties") is False:
            del found["additionalProperties"]
        return found


@dataclass(frozen=True)
class Schemas:
    """The models of one document."""

    references: Mapping[Model, JsonSchema]
    definitions: Mapping[str, JsonSchema]

    def incoming(self, model: type[BaseModel]) -> JsonSchema:
        return self.references[model, "validation"]

    def outgoing(self, model: type[BaseModel]) -> JsonSchema:
        return self.references[model, "serialization"]

    def text_fields(self, model: type[BaseModel]) -> dict[str, JsonSchema]:
        """The members of a model that is read from a query or a form, where nothing can be null."""
        definition = self.definitions[self.incoming(model)["$ref"].removeprefix(PLACE)]
        return {name: _as_text(member) for name, member in definition["properties"].items()}

    def used_in(self, part: Any) -> dict[str, JsonSchema]:
        """The definitions that a part of the document leads to."""
        found: dict[str, JsonSchema] = {}
        _follow(part, self.definitions, found)
        return dict(sorted(found.items()))


def schemas_of(models: Iterable[Model]) -> Schemas:
    wanted = list(dict.fromkeys(models))
    references, found = models_json_schema(wanted, ref_template=PLACE + "{model}", schema_generator=_Generator)
    return Schemas({model: references[model] for model in wanted}, found["$defs"])


def _as_text(member: JsonSchema) -> JsonSchema:
    kinds = [kind for kind in member.get("anyOf", []) if kind != {"type": "null"}]
    rest = {key: value for key, value in member.items() if key != "anyOf" and (key, value) != ("default", None)}
    if not kinds:
        return rest
    return rest | (kinds[0] if len(kinds) == 1 else {"anyOf": kinds})


def _follow(part: Any, definitions: Mapping[str, JsonSchema], found: dict[str, JsonSchema]) -> None:
    for reference in _references(part):
        name = reference.removeprefix(PLACE)
        if name not in found:
            found[name] = definitions[name]
            _follow(found[name], definitions, found)


def _references(part: Any) -> Iterator[str]:
    """Every `$ref` in it. A property of that name would be a dict, and is none of ours."""
    if isinstance(part, Mapping):
        if isinstance(part.get("$ref"), str):
            yield part["$ref"]
        for value in part.values():
            yield from _references(value)
    elif isinstance(part, list):
        for value in part:
            yield from _references(value)
