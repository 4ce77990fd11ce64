"""How the audit log shows a value."""

from __future__ import annotations

import json
from typing import Any

from django import template

register = template.Library()


@register.filter
def as_value(value: Any) -> str:
    """A value of a property as a person reads it."""
    match value:
        case None:
            return "nothing"
        case "":
            return "empty"
        case bool():
            return "yes" if value else "no"
        case list():
            return ", ".join(as_value(each) for each in value) or "none"
        case dict():
            return json.dumps(value, ensure_ascii=False)
        case _:
            return str(value)
