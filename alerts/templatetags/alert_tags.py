"""Template tags for statuses, and for values of tags: text, or a link button for a URL."""

from __future__ import annotations

from datetime import timedelta

from django import template
from django.templatetags.static import static
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from alerts.events import Status
from alerts.links import Link, is_link
from people.templatetags import console_tags
from people.templatetags.console_tags import icon

register = template.Library()

ICON_OF = {
    Status.CRITICAL: "octagon-alert",
    Status.WARNING: "triangle-alert",
    Status.UNKNOWN: "circle-question-mark",
    Status.ACKNOWLEDGED: "eye",
    Status.OK: "circle-check",
}


@register.simple_tag
def status_badge(status: int, word: str = "") -> SafeString:
    """Show a status by shape, word and color, never by color alone."""
    status = Status(status)
    shown = word or ("OK" if status is Status.OK else status.label.capitalize())
    return format_html(
        '<span class="status status-{}">{}<span>{}</span></span>', status.name.lower(), icon(ICON_OF[status]), shown
    )


@register.filter
def status_name(status: int) -> str:
    return Status(status).name.lower()


@register.simple_tag
def status_icon(status: int) -> str:
    """Return the address of the page's icon while this is the worst status."""
    return static(f"icons/{status_name(status)}.svg")


@register.simple_tag
def link_button(link: Link) -> SafeString:
    return format_html(
        '<a class="link-button" href="{0}" title="{0}" target="_blank" rel="noopener noreferrer nofollow">{1}<span>{2}</span></a>',
        link.url,
        icon("external-link"),
        link.name,
    )


@register.simple_tag
def tag_value(name: str, value: str | list[str]) -> SafeString:
    """Show the value of a tag: a link as a button with the name of the tag, any other value as text."""
    elements = [value] if isinstance(value, str) else value
    return format_html_join(" ", "{}", ((_element(name, element),) for element in elements))


def _element(name: str, element: str) -> SafeString:
    return (
        link_button(Link(name, element)) if is_link(element) else format_html('<span class="value">{}</span>', element)
    )


@register.simple_tag
def in_words(length: timedelta) -> str:
    """Return the two largest units of a time, such as "2d 4h"."""
    return console_tags.in_words(length)
