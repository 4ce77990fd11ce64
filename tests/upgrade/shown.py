"""The answers of a console, as text that does not depend on the markup of the pages."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

_BLOCKS = (
    "address article aside blockquote br button caption dd details dialog div dl dt fieldset figcaption figure footer form "
    "h1 h2 h3 h4 h5 h6 header hr label legend li main nav ol option p pre section select summary table tbody td textarea "
    "tfoot th thead title tr ul"
)
BLOCKS = frozenset(_BLOCKS.split())  # elements that begin a line of their own
UNSEEN = frozenset(("script", "style", "template", "svg", "datalist", "button"))
SECTIONS = frozenset(("article", "aside", "main", "nav", "section"))  # a header outside them is the banner of the page
NOT_TYPED = ("hidden", "checkbox", "radio")  # kinds of input whose value nobody sees
ADDRESSES = {"a": "href", "form": "action"}
LINK = "→ "


class Visible(HTMLParser):
    """Parser that keeps the visible lines of a page.

    A block of text is one line. The addresses of the links and forms that begin in the block follow, each on a line that begins with `LINK`.
    Left out are the banner, places within a page, and the words of controls: buttons, and links that come back to the page.
    """

    def __init__(self, page: str) -> None:
        super().__init__()
        self.lines: list[str] = []
        self._text = ""
        self._links: list[str] = []
        self._sections = 0  # open elements of SECTIONS
        self._unseen = 0  # open elements whose text is left out
        self._is_banner = self._is_control = False  # whether such an element is open
        self.feed(page)
        self.close()
        self._end_line()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self._is_banner = self._is_banner or (tag == "header" and not self._sections)
        if self._is_banner:
            return
        self._sections += tag in SECTIONS
        self._unseen += tag in UNSEEN
        if tag in BLOCKS:
            self._end_line()
        values = dict(attributes)
        if address := (values.get(ADDRESSES.get(tag, "")) or "").partition("#")[0]:
            self._links.append(f"{LINK}{address}")
        if tag == "a":
            self._is_control = "next=" in address
            self._unseen += self._is_control
        if tag == "input" and values.get("type") not in NOT_TYPED:
            self._text += f" {values.get('value') or ''} "
        if tag == "time":
            self._text += f"[{values.get('datetime')}] "

    def handle_endtag(self, tag: str) -> None:
        if self._is_banner:
            self._is_banner = tag != "header"
            return
        self._sections -= tag in SECTIONS
        self._unseen -= tag in UNSEEN
        if tag == "a":
            self._unseen -= self._is_control
            self._is_control = False
        if tag in BLOCKS:
            self._end_line()

    def handle_data(self, data: str) -> None:
        if not self._unseen and not self._is_banner:
            self._text += data

    def _end_line(self) -> None:
        self.lines += filter(None, (" ".join(self._text.split()), *self._links))
        self._text, self._links = "", []


@dataclass(frozen=True)
class Shown:
    """Answer of a console: the visible lines of a page, the JSON of a resource, or the address of a redirect."""

    path: str
    status: int
    lines: tuple[str, ...]

    @classmethod
    def of(cls, path: str, status: int, kind: str, body: str, location: str) -> Shown:
        """Return what an answer shows. `kind` is the Content-Type of the answer."""
        if location:
            return cls(path, status, (f"{LINK}{location}",))
        if kind.startswith("text/html"):
            return cls(path, status, tuple(Visible(body).lines))
        if kind.startswith("application/json") and body:
            body = json.dumps(_with_sorted_tags(json.loads(body)), indent=1, ensure_ascii=False, sort_keys=True)
        return cls(path, status, tuple(body.splitlines()))

    def is_still_shown_by(self, other: Shown) -> bool:
        """Return whether another answer has the same status, the same text apart from white space, and every address of this one."""
        return (self.status, self._text) == (other.status, other._text) and self._links <= other._links

    @property
    def _text(self) -> str:
        return "".join("".join(line for line in self.lines if not line.startswith(LINK)).split())

    @property
    def _links(self) -> frozenset[str]:
        return frozenset(line for line in self.lines if line.startswith(LINK))

    def reworded(self, words: Mapping[str, str]) -> Shown:
        """Return the answer with texts of today in the place of older ones."""
        text = "\n".join(self.lines)
        for before, now in words.items():
            text = text.replace(before, now)
        return replace(self, lines=tuple(text.split("\n")))

    def difference(self, other: Shown) -> str:
        """Return the lines in which another answer differs."""
        heads = f"{self.status} {self.path}", f"{other.status} {other.path}"
        return "\n".join(difflib.unified_diff(self.lines, other.lines, *heads, lineterm="", n=1))


def _with_sorted_tags(data: Any) -> Any:
    """Return JSON with each list of tags sorted by name: the databases keep the tags of an alert in different orders."""
    if isinstance(data, dict):
        return {name: _with_sorted_tags(value) for name, value in data.items()}
    if isinstance(data, list):
        are_tags = all(isinstance(each, dict) and each.keys() == {"name", "value"} for each in data)
        return sorted(data, key=lambda tag: tag["name"]) if are_tags else [_with_sorted_tags(each) for each in data]
    return data


# --- Files. Three or more lines that stood in the answer before are written as their numbers there.

HEAD, REPEATED = "=== ", "… "
SHORTEST_RUN = 3


def write(file: Path, answers: Iterable[Shown]) -> None:
    """Write answers to a text file."""
    file.write_text("".join(f"{line}\n" for line in _written(answers)), encoding="utf-8")


def _written(answers: Iterable[Shown]) -> Iterator[str]:
    before: tuple[str, ...] = ()
    for answer in answers:
        assert not any(line.startswith((HEAD, REPEATED)) for line in answer.lines), answer.path
        yield f"{HEAD}{answer.status} {answer.path}"
        runs = difflib.SequenceMatcher(None, before, answer.lines, autojunk=False).get_opcodes()
        for kind, start, end, new_start, new_end in runs:
            if kind == "equal" and end - start >= SHORTEST_RUN:
                yield f"{REPEATED}{start} to {end}"
            else:
                yield from answer.lines[new_start:new_end]
        before = answer.lines


def read(file: Path) -> list[Shown]:
    """Read the answers of a file that `write` wrote."""
    answers: list[Shown] = []
    lines: list[str] = []
    for part in f"\n{file.read_text(encoding='utf-8')}".split(f"\n{HEAD}")[1:]:
        head, *written = part.rstrip("\n").split("\n")
        before, lines = lines, []
        for line in written:
            if line.startswith(REPEATED):
                start, end = line.removeprefix(REPEATED).split(" to ")
                lines += before[int(start) : int(end)]
            else:
                lines.append(line)
        status, path = head.split(" ", 1)
        answers.append(Shown(path, int(status), tuple(lines)))
    return answers
