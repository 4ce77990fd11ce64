"""JSON as people's scripts send it to the resources."""

from __future__ import annotations

from typing import Any

from rest_framework.exceptions import ParseError, ValidationError
from rest_framework.parsers import JSONParser

from alerts.sources.bigpanda import NOT_TEXT


class TextParser(JSONParser):
    """Refuses texts that no database keeps, by the name of their field, and what is nested without end."""

    def parse(self, *arguments: Any, **options: Any) -> Any:
        try:
            body = super().parse(*arguments, **options)
            fields = body if isinstance(body, dict) else {"body": body}
            wrong = [name for name, value in fields.items() if not (_is_text(name) and _is_text(value))]
        except RecursionError:
            raise ParseError("The body is nested too deeply.") from None
        if wrong:
            rule = ["holds characters that are not text (NUL, lone surrogates)."]
            raise ValidationError({NOT_TEXT.sub("\N{REPLACEMENT CHARACTER}", name): rule for name in wrong})
        return body


def _is_text(value: object) -> bool:
    match value:
        case str():
            return not NOT_TEXT.search(value)
        case list():
            return all(map(_is_text, value))
        case dict():
            return all(map(_is_text, [*value, *value.values()]))
    return True
