"""Fields that read requests, with the messages that clients know."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, NoReturn

from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.fields import empty

JSONDict = dict[str, Any]
TEXT_LIMIT = 10_000


def refuse(rule: str) -> NoReturn:
    raise ValidationError([rule])


def is_key(value: object) -> bool:
    """Return whether a value can be the id of something here."""
    return str(value).isdecimal() and len(str(value)) <= 18 + 1 and int(str(value)) < 2**63


class Described(serializers.Field[Any, Any, Any, Any]):
    """A field with values that no standard field has. The document shows the JSON Schema `sent_as` in requests and `shown_as` in replies."""

    def __init__(self, sent_as: JSONDict, shown_as: JSONDict, **options: Any) -> None:
        self.sent_as, self.shown_as = sent_as, shown_as
        super().__init__(**options)


class Number(serializers.IntegerField):
    """A number of the query string, from 1 to `largest`."""

    def __init__(self, default: int, largest: int, **options: Any) -> None:
        super().__init__(default=default, min_value=1, max_value=largest, **options)

    def to_internal_value(self, data: Any) -> int:
        if not is_key(data) or not 1 <= int(data) <= (self.max_value or 0):
            refuse(f"must be a number from 1 to {self.max_value}.")
        return int(data)


class Choice(serializers.ChoiceField):
    """A choice of one word. With `any_case`, the case of letters does not matter, and an empty text is the default."""

    def __init__(
        self, words: Iterable[str], default: str = "", *, any_case: bool = False, rule: str = "", **options: Any
    ) -> None:
        self.words, self.any_case = tuple(words), any_case
        self.rule = rule or f"must be one of {', '.join(self.words)}."
        # The document does not show a callable default.
        super().__init__(choices=self.words, default=default or str, **options)

    def run_validation(self, data: Any = empty) -> Any:
        if data is not empty and self.any_case:
            data = str(data).lower()
        if data == "" and (self.any_case or self.allow_blank):
            data = empty
        return super().run_validation(data)

    def to_internal_value(self, data: Any) -> str:
        if data not in self.words:
            refuse(self.rule)
        return str(data)


class Key(Described):
    """The id of an object, as text or as a number. `rule` is the text of every refusal."""

    def __init__(self, *, rule: str = "must be an id.", **options: Any) -> None:
        self.rule = rule
        schema: JSONDict = {"type": ["string", "integer"]}
        super().__init__(schema, schema, error_messages=dict.fromkeys(("required", "null"), rule), **options)

    def to_internal_value(self, data: object) -> int:
        return int(str(data)) if is_key(data) else refuse(self.rule)


class Keys(Described):
    """The ids of one object or more."""

    RULE = "must be a list of ids."
    MOST = 10_000  # one statement asks for all of them

    def __init__(self, **options: Any) -> None:
        schema: JSONDict = {"type": "array", "items": {"type": ["string", "integer"]}, "minItems": 1}
        schema["maxItems"] = self.MOST
        super().__init__(schema, schema, error_messages=dict.fromkeys(("required", "null"), self.RULE), **options)

    def to_internal_value(self, data: object) -> list[int]:
        if isinstance(data, list) and len(data) > self.MOST:
            refuse(f"can be {self.MOST} at most.")
        if not isinstance(data, list) or not data or not all(is_key(each) for each in data):
            refuse(self.RULE)
        return [int(each) for each in data]


class Seconds(serializers.IntegerField):
    """A time in seconds since 1970."""

    HELP = "In seconds since 1970."
    RULE = "must be a time in seconds since 1970."

    def __init__(self, **options: Any) -> None:
        messages = dict.fromkeys(("required", "null"), "is required, in seconds since 1970.")
        super().__init__(**{"help_text": self.HELP, "error_messages": messages, **options})

    def run_validation(self, data: Any = empty) -> Any:
        return super().run_validation(None if data == "" else data)

    def to_internal_value(self, data: Any) -> Any:
        try:
            return datetime.fromtimestamp(int(str(data)), UTC)
        except (ValueError, OverflowError, OSError):
            refuse(self.RULE)

    def to_representation(self, value: Any) -> int:
        return int(value.timestamp())


class YesNo(serializers.BooleanField):
    """A boolean. No other value stands for true or false."""

    def __init__(self, rule: str = "must be true or false.", **options: Any) -> None:
        self.rule = rule
        super().__init__(error_messages=dict.fromkeys(("required", "null"), rule), **options)

    def to_internal_value(self, data: Any) -> bool:
        if not isinstance(data, bool):
            refuse(self.rule)
        return data


class Text(serializers.CharField):
    """A text. Clients send null for no text. A required text is not empty."""

    def __init__(self, *, limit: int = TEXT_LIMIT, required: bool = False) -> None:
        super().__init__(max_length=limit, required=required, allow_null=not required, allow_blank=not required)

    def run_validation(self, data: Any = empty) -> str:
        text = "" if data is empty else data or ""
        if not isinstance(text, str) or len(text) > (self.max_length or 0):
            refuse(f"must be text of {self.max_length:,} characters at most.")
        if self.required and not text.strip():
            refuse("must say something.")
        return text


class Part(serializers.JSONField):
    """An object inside a body. The view reads the object with `shape`, if the rest of the body does not rule it out."""

    def __init__(self, shape: type[serializers.Serializer[Any]], **options: Any) -> None:
        self.shape = shape
        super().__init__(**{"required": False, "allow_null": True, **options})
