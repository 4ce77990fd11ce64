"""Suggestions for a query that a person writes (docs/wire-contract.md §5.4).

The suggestions are tags, operators and values of recent alerts.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from alerts.events import Status
from alerts.models import Alert
from appkeys.models import AppKey
from incidents.models.incident import IncidentQuerySet

INCIDENTS_SEEN = 300  # open incidents at the top of the feed, whose alerts tell tags and values
ALERTS_SEEN = 2000  # of these incidents
AT_MOST = 12
OPERATORS = {
    "=": "equals, * stands for anything",
    "!=": "differs",
    "IN": "one of [a, b]",
    "NOT IN": "none of [a, b]",
    "===": "equals in all alerts of the incident",
}
JOINTS = {"AND": "both", "OR": "either"}
PSEUDO_TAGS = {
    "status": "of an alert",
    "source": "integration that sent it",
    "comment": "what people wrote",
    "assignee": "owner",
}

_VALUE = re.compile(r"""(?P<tag>[^\s()\[\]=!:"']+)\s*(?:===|!=|=|:)\s*(?P<begun>"[^"]*|[^\s()\[\]"]*)$""")
_LIST_VALUE = re.compile(
    r"""(?P<tag>[^\s()\[\]=!:"']+)\s+(?:NOT\s+)?IN\s*\[(?:[^\]]*,)?\s*(?P<begun>"[^"]*|[^\s\],"]*)$""", re.IGNORECASE
)
_WORD = re.compile(r"""(?P<before>(?:^|.*[\s()]))(?P<begun>[^\s()\[\]=!:"']*)$""", re.DOTALL)
_COMPLETE = re.compile(r"""(?:(?:===|!=|=|:)\s*(?:"[^"]*"|[^\s()"]+)|\])\s*\)*\s*$""")
_PLAIN = re.compile(r"[^\s()\[\],=!:\"'/*]+")


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A text that can replace the characters from `begins` up to the cursor, with its meaning."""

    text: str
    hint: str
    begins: int


def suggest(text: str, visible: IncidentQuerySet) -> list[Suggestion]:
    """Return suggestions for the text before the cursor."""
    if found := _LIST_VALUE.search(text) or _VALUE.search(text):
        return _listed(_values(found["tag"], visible), found["begun"].lstrip('"'), found.start("begun"), quoted=True)
    word = _WORD.search(text)
    if word is None:
        return []
    begun, begins = word["begun"], word.start("begun")
    if _COMPLETE.search(word["before"]):
        return _listed(JOINTS.items(), begun, begins)
    tags = _tags(visible)
    before = word["before"].split()
    if not begun and before and before[-1].casefold() in {name.casefold() for name, _ in tags}:
        return _listed(OPERATORS.items(), begun, begins)
    return _listed(tags, begun, begins)


def _listed(choices: Iterable[tuple[str, str]], begun: str, begins: int, *, quoted: bool = False) -> list[Suggestion]:
    """Return the choices that begin with the written characters, then the choices that contain them."""
    wanted = begun.casefold()
    fitting = [(text, hint) for text, hint in choices if wanted in text.casefold()]
    fitting.sort(key=lambda choice: not choice[0].casefold().startswith(wanted))
    return [Suggestion(_written(text) if quoted else text, hint, begins) for text, hint in fitting[:AT_MOST]]


def _written(value: str) -> str:
    if _PLAIN.fullmatch(value):
        return value
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _tags(visible: IncidentQuerySet) -> list[tuple[str, str]]:
    """Return the names of tags, the most frequent first, then names such as `status` that are no tags."""
    used = Counter(name for tags in _seen(visible) for name in tags)
    return [*((name, "tag") for name, _ in used.most_common()), *PSEUDO_TAGS.items()]


def _values(tag: str, visible: IncidentQuerySet) -> list[tuple[str, str]]:
    name = tag.casefold()
    if name == "status":
        return [(status.label, "status") for status in reversed(Status)]
    if name in ("source", "source_system"):
        return list(AppKey.objects.order_by("source_system").values_list("source_system", "name"))
    used = Counter(
        element
        for tags in _seen(visible)
        for key, value in tags.items()
        if key.casefold() == name
        for element in ([value] if isinstance(value, str) else value)
    )
    return [(value, "1 alert" if count == 1 else f"{count} alerts") for value, count in used.most_common()]


def _seen(visible: IncidentQuerySet) -> Iterator[dict[str, str | list[str]]]:
    latest = list(_latest(visible).values_list("pk", flat=True))
    return iter(Alert.objects.filter(incident__in=latest).values_list("tags", flat=True)[:ALERTS_SEEN])


def _latest(visible: IncidentQuerySet) -> IncidentQuerySet:
    return visible.open().order_by("-is_nobodys", "-status", "-changed_at", "-pk")[:INCIDENTS_SEEN]
