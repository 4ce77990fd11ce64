"""Tags and filters for the pages on people."""

from __future__ import annotations

import json
from typing import Any

from django import template
from django.template.context import RequestContext
from django.urls import reverse

from people.models import Area, User

register = template.Library()


@register.simple_tag(takes_context=True)
def people_page(context: RequestContext) -> str:
    """Return the page on people that the reader may see: the list, or the audit log, or an empty text."""
    user = context["user"]
    if user.may_see(Area.PEOPLE):
        return reverse("people:list")
    return reverse("people:audit") if user.may_see(Area.AUDIT) else ""


@register.filter
def may_see(user: User, area: str) -> bool:
    """Return whether a person's role shows an area of the console."""
    return user.may_see(Area(area))


@register.filter
def may_change(user: User, area: str) -> bool:
    """Return whether a person's role may change an area."""
    return user.may_change(Area(area))


@register.filter
def as_value(value: Any) -> str:
    """Return the value of a property as text for a person."""
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
