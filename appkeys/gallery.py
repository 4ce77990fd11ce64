"""The gallery: every tool that can be connected, and how it is set up, with its own settings ready to copy.

What a tool needs to know lies in `setup/<slug>.md`: text and fenced settings, then `## <finding>` sections with the fix that the doctor shows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from django.utils.safestring import SafeString, mark_safe
from markdown_it import MarkdownIt
from markdown_it.token import Token

SETUP = Path(__file__).parent / "setup"


@dataclass(frozen=True, slots=True)
class Tool:
    """A monitoring system: `slug` is the type in `<type>.<name>` and the word in its URL (bigpanda.md §8)."""

    slug: str
    title: str
    about: str  # what it sends, in a few words
    path: str = ""  # where it sends; by default its webhook

    @property
    def url(self) -> str:
        return self.path or f"/oim/{self.slug}/alerts"


TOOLS: Mapping[str, Tool] = {
    tool.slug: tool
    for tool in (
        Tool("api", "Alerts API", "scripts and senders that know BigPanda", "/data/v2/alerts"),
        Tool("prometheus", "Prometheus Alertmanager", "webhook receiver"),
        Tool("grafana", "Grafana", "webhook contact point, unified and legacy alerting"),
        Tool("nagios", "Nagios, Naemon", "notification command"),
    )
}


@dataclass(frozen=True, slots=True)
class Part:
    """A paragraph of help, or settings to copy: one of the two is empty."""

    text: SafeString
    code: str = ""
    title: str = ""  # of the settings: where they belong


def setup(slug: str, *, url: str, app_key: str = "", token: str = "") -> list[Part]:
    """How the tool is connected, with address and secrets filled in; a secret that is not at hand stays `$APP_KEY` or `$TOKEN`."""
    values = {"$URL": url, "$HOST": url.split("/oim/")[0].split("/data/")[0]}
    values |= {name: value for name, value in (("$APP_KEY", app_key), ("$TOKEN", token)) if value}
    parts: list[Part] = []
    reader = MarkdownIt("commonmark", {"html": False})
    prose: list[Token] = []

    def flush() -> None:
        if prose:
            parts.append(Part(mark_safe(reader.renderer.render(prose, reader.options, {}))))  # noqa: S308 - a text of ours, HTML off
            prose.clear()

    for token_of_text in reader.parse(_sections(slug)[""]):
        if token_of_text.type == "fence":
            flush()
            code = token_of_text.content.rstrip("\n")
            for name, value in values.items():
                code = code.replace(name, value)
            parts.append(Part(SafeString(""), code, token_of_text.info.partition(" ")[2]))
        else:
            prose.append(token_of_text)
    flush()
    return parts


def fix(slug: str, finding: str) -> SafeString:
    """What to do about a doctor's finding in this tool; empty where there is nothing of its own to say."""
    html: str = MarkdownIt("commonmark", {"html": False}).render(_sections(slug).get(finding, ""))
    return mark_safe(html)  # noqa: S308 - a text of ours, HTML off


@cache
def _sections(slug: str) -> dict[str, str]:
    """The file's parts by their `##` heading; the setup stands before the first."""
    first, *others = ("\n" + (SETUP / f"{slug}.md").read_text("utf-8")).split("\n## ")
    named = (section.partition("\n") for section in others)
    return {"": first.strip()} | {name.strip(): text.strip() for name, _, text in named}
