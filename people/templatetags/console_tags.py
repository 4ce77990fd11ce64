"""Tags and filters for every page: icons, times and numbers."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import cache

import lucide
from django import template
from django.conf import settings
from django.shortcuts import resolve_url
from django.template.context import RequestContext
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

from db import outage
from people.models import Preferences

register = template.Library()

# Drawn once a page, and used by reference wherever they stand.
ICONS = (
    "activity",
    "alarm-clock",
    "arrow-down",
    "arrow-left",
    "arrow-up",
    "bell-ring",
    "check",
    "chevron-right",
    "circle-check",
    "circle-question-mark",
    "clock",
    "cloud-lightning",
    "copy",
    "download",
    "ellipsis",
    "external-link",
    "eye",
    "eye-off",
    "flag",
    "hand",
    "inbox",
    "key-round",
    "keyboard",
    "layers",
    "link",
    "list-filter",
    "lock",
    "log-out",
    "maximize",
    "merge",
    "message-square",
    "minus",
    "monitor",
    "moon",
    "octagon-alert",
    "pause",
    "pencil",
    "play",
    "plug",
    "plus",
    "power",
    "refresh-cw",
    "repeat",
    "rotate-ccw",
    "scroll-text",
    "search",
    "share-2",
    "shield",
    "split",
    "star",
    "sun",
    "tag",
    "trash-2",
    "triangle-alert",
    "undo-2",
    "upload",
    "user",
    "user-minus",
    "user-plus",
    "users",
    "wrench",
    "x",
)


@register.simple_tag
@cache
def icon_sheet() -> SafeString:
    """Render the icons as symbols. The sheet stands in the page before the first icon."""
    drawings = (
        re.sub(
            r"^<svg[^>]*>", f'<symbol id="icon-{name}" viewBox="0 0 24 24">', lucide._render_icon(name, None)
        ).replace("</svg>", "</symbol>")
        for name in ICONS
    )
    return mark_safe(f'<svg class="icon-sheet" aria-hidden="true">{"".join(drawings)}</svg>')  # noqa: S308 - drawings of a package, no text of anybody


@register.simple_tag
def icon(name: str, label: str = "") -> SafeString:
    """Render an icon of the sheet. An icon that no word beside it explains needs a label."""
    if name not in ICONS:
        raise template.TemplateSyntaxError(f"The icon {name!r} is not on the sheet.")
    drawing = format_html('<svg class="icon icon-{0}" aria-hidden="true"><use href="#icon-{0}"></use></svg>', name)
    return format_html('{}<span class="visually-hidden">{}</span>', drawing, label) if label else drawing


@register.simple_block_tag
def page_head(content: str, title: str = "", back_to: object = "", back: str = "") -> SafeString:
    """Return the head of a page, with the content of the block beside the title.

    `back_to` is where the way back leads: an object with an address of its own, or the name of a URL. A page whose
    form has a heading gives no title.
    """
    back_url = resolve_url(back_to) if back_to else ""  # type: ignore[arg-type]
    context = {"title": title, "back_url": back_url, "back": back, "content": content}
    return render_to_string("components/_page_head.html", context)


@register.simple_tag
def moment(at: datetime | None, show: str = "ago") -> SafeString | str:
    """Render a time in the reader's zone.

    times.js shows the time as asked: `ago` ("13m"), `since` ("13m ago"), `exact`, `both`, the `clock`, or how `long`
    ago. Without scripts the rendered text stays. It is the same all day, because open pages detect changes by comparing
    it.
    """
    if at is None:
        return ""
    there = timezone.localtime(at.replace(microsecond=0))
    exact = there.isoformat(sep=" ")
    return format_html(
        '<time datetime="{}" data-show="{}">{}</time>',
        there.astimezone(UTC).isoformat(),
        show,
        _in_short(there, show) if show in ("ago", "clock", "long") else f"{exact[:19]} {exact[19:]}",
    )


def _in_short(there: datetime, show: str) -> str:
    """Return the clock time, for places with little room."""
    is_today = there.date() == timezone.localdate()
    return ("since " if show == "long" else "") + there.strftime("%H:%M" if is_today else "%Y-%m-%d %H:%M")


@register.simple_tag
def lasted(start: datetime, end: datetime | None) -> SafeString | str:
    """Return how long something lasted, or has lasted until now if it has no end."""
    return in_words(end - start) if end else moment(start, "long")


def in_words(length: timedelta) -> str:
    """Return the two largest units, as in "2d 4h" or "13m 5s"."""
    seconds = max(0, int(length.total_seconds()))
    amounts = [(seconds // 86400, "d"), (seconds // 3600 % 24, "h"), (seconds // 60 % 60, "m"), (seconds % 60, "s")]
    first = next((place for place, (amount, _) in enumerate(amounts) if amount), 3)
    return " ".join(f"{amount}{unit}" for amount, unit in amounts[first : first + 2] if amount) or "0s"


@register.filter
def thousands(number: int) -> str:
    """Return a number with separators, as in "13,334"."""
    return f"{number:,}"


@register.filter
def short_amount(number: int) -> str:
    """Return a rounded-down number for places with little room, as in "1.9k" or "13k"."""
    return str(number) if number < 1000 else f"{number // 100 / 10}k" if number < 10_000 else f"{number // 1000}k"


# By the beginning of an address.
PARTS = {
    "patterns": "patterns",
    "tags": "patterns",
    "integrations": "integrations",
    "api": "api",
    "me": "me",
    **dict.fromkeys(("people", "audit"), "people"),
}


@register.simple_tag(takes_context=True)
def theme(context: RequestContext) -> str:
    """Return the reader's theme: light, dark or the system's. Before the sign-in, the browser remembers it."""
    request = context.get("request")
    if request is None:
        return Preferences.Theme.SYSTEM
    chosen = getattr(getattr(request, "user", None), "theme", "") or request.COOKIES.get("theme", "")
    return chosen if chosen in Preferences.Theme.values else Preferences.Theme.SYSTEM


@register.simple_tag(takes_context=True)
def part_of_console(context: RequestContext) -> str:
    """Return the entry of the navigation that a page belongs to, by its address. Pages beside the incidents have entries of their own."""
    first = context["request"].path.split("/")[1]
    return PARTS.get(first, "incidents")


@register.simple_tag
def is_read_only() -> bool:
    """Return whether the database refused a change a moment ago."""
    return outage.is_read_only()


@register.simple_tag
def live_by() -> str:
    """Return how a page learns of changes: by a stream if there is a broker, otherwise by polling."""
    return "stream" if settings.REDIS_URL else "polling"
