"""What every page of the console is made of: icons and times."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import cache

import lucide
from django import template
from django.conf import settings
from django.template.context import RequestContext
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

from people.models import Preferences

register = template.Library()

# Drawn once a page, and used by reference wherever they stand.
ICONS = (
    "activity",
    "arrow-down",
    "alarm-clock",
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
    "download",
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
    "repeat",
    "refresh-cw",
    "rotate-ccw",
    "scroll-text",
    "search",
    "share-2",
    "shield",
    "star",
    "split",
    "sun",
    "tag",
    "trash-2",
    "triangle-alert",
    "trash-2",
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
    """The icons as symbols; to stand in the page before the first of them is used."""
    drawings = (
        re.sub(
            r"^<svg[^>]*>", f'<symbol id="icon-{name}" viewBox="0 0 24 24">', lucide._render_icon(name, None)
        ).replace("</svg>", "</symbol>")
        for name in ICONS
    )
    return mark_safe(f'<svg class="icon-sheet" aria-hidden="true">{"".join(drawings)}</svg>')  # noqa: S308 - drawings of a package, no text of anybody


@register.simple_tag
def icon(name: str, label: str = "") -> SafeString:
    """An icon of the sheet. One that says something no word beside it says needs a label."""
    if name not in ICONS:
        raise template.TemplateSyntaxError(f"The icon {name!r} is not on the sheet.")
    drawing = format_html('<svg class="icon icon-{0}" aria-hidden="true"><use href="#icon-{0}"></use></svg>', name)
    return format_html('{}<span class="visually-hidden">{}</span>', drawing, label) if label else drawing


@register.simple_tag
def moment(at: datetime | None, show: str = "ago") -> SafeString | str:
    """A time in the reader's zone.

    times.js shows it as asked: `ago` ("13m"), `since` ("13m ago"), `exact`, `both`, the `clock`, or how `long` ago. Without scripts it
    stands as it is here, the same all day: pages that are open tell by that what is news.
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
    """Where there is room for little more than a clock."""
    is_today = there.date() == timezone.localdate()
    return ("since " if show == "long" else "") + there.strftime("%H:%M" if is_today else "%Y-%m-%d %H:%M")


@register.simple_tag
def lasted(start: datetime, end: datetime | None) -> SafeString | str:
    """How long something lasted, or has lasted until now where it has no end."""
    return in_words(end - start) if end else moment(start, "long")


def in_words(length: timedelta) -> str:
    """The two largest units: "2d 4h", "13m 5s"."""
    seconds = max(0, int(length.total_seconds()))
    amounts = [(seconds // 86400, "d"), (seconds // 3600 % 24, "h"), (seconds // 60 % 60, "m"), (seconds % 60, "s")]
    first = next((place for place, (amount, _) in enumerate(amounts) if amount), 3)
    return " ".join(f"{amount}{unit}" for amount, unit in amounts[first : first + 2] if amount) or "0s"


@register.filter
def thousands(number: int) -> str:
    """A number of things as people read it: "13,334"."""
    return f"{number:,}"


@register.filter
def short_amount(number: int) -> str:
    """The same where there is little room, rounded down: "1.9k", "13k"."""
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
    """Light, dark, or the system's choice, as the reader chose; before signing in, as this browser remembers it."""
    request = context.get("request")
    if request is None:
        return Preferences.Theme.SYSTEM
    chosen = getattr(getattr(request, "user", None), "theme", "") or request.COOKIES.get("theme", "")
    return chosen if chosen in Preferences.Theme.values else Preferences.Theme.SYSTEM


@register.simple_tag(takes_context=True)
def part_of_console(context: RequestContext) -> str:
    """The entry of the navigation that a page belongs to, by its address: what is beside the incidents stands under their own."""
    first = context["request"].path.split("/")[1]
    return PARTS.get(first, "incidents")


@register.simple_tag
def live_by() -> str:
    """How a page hears of changes: a stream where there is a broker to feed it, else by asking."""
    return "stream" if settings.REDIS_URL else "polling"
