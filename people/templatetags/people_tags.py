"""What the pages on people are made of."""

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
    """Where the reader finds people: the list, or the audit log where that alone is open to them; empty where neither is."""
    user = context["user"]
    if user.may_see(Area.PEOPLE):
        return reverse("people:list")
    return reverse("people:audit") if user.may_see(Area.AUDIT) else ""


@register.filter
def may_see(user: User, area: str) -> bool:
    """Whether a person's role shows them a part of the console."""
    return user.may_see(Area(area))


@register.filter
def may_change(user: User, area: str) -> bool:
    """Whether it lets them change that part."""
    return user.may_change(Area(area))


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
