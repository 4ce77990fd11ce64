"""Every page of the console. The URL map lists the pages, and the links on pages lead to an example of each."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from html import unescape
from typing import Any
from urllib.parse import parse_qs, urljoin, urlsplit

from django.urls import Resolver404, URLPattern, URLResolver, get_resolver, resolve

LINK = re.compile(r'\shref="([^"#]+)"')
EXAMPLES = 2  # addresses of one route, with the same parameters, that are looked at for further links
PARAMETER = re.compile(r"<(?:(\w+):)?\w+>")


def routes() -> dict[str, str]:
    """Return each named route with its pattern."""

    def walk(patterns: list[Any], prefix: str, space: str) -> Iterator[tuple[str, str]]:
        for each in patterns:
            path = prefix + str(each.pattern)
            if isinstance(each, URLResolver):
                yield from walk(each.url_patterns, path, f"{space}{each.namespace}:" if each.namespace else space)
            elif isinstance(each, URLPattern) and each.name:
                yield f"{space}{each.name}", path

    return dict(walk(get_resolver().url_patterns, "", ""))


def page_name(path: str) -> str:
    """Return the name of the route of a path. The questions of actions have one route; the name of the action follows it."""
    match = resolve(path)
    return f"{match.view_name}:{match.kwargs['name']}" if match.url_name == "act" else match.view_name


class SiteMap:
    """The pages that a signed-in administrator's browser finds: an address for each route that answers with a page."""

    def __init__(self, page: Any, *unlinked: str) -> None:
        self.page = page
        self.seen: dict[str, None] = dict.fromkeys(("/", *unlinked))  # every address that a link led to
        self.broken: list[str] = []  # addresses that were answered with an error of the server's own
        self.addresses = self._crawl()
        self.unreached: list[str] = []  # routes of pages that nobody can look at without an address of them
        for name, pattern in routes().items():
            if any(f"{found}:".startswith(f"{name}:") for found in self.addresses) or "(" in pattern:
                continue
            address = "/" + self._example(pattern)
            reply = self._get(address)
            if _is_whole_page(reply):
                self.addresses[name] = address
            elif reply.status == 404 and _is_html(reply) and PARAMETER.search(pattern):
                self.unreached.append(name)

    def _example(self, pattern: str) -> str:
        """Return the pattern with values seen in similar addresses, or with values of nothing that exists."""
        while parameter := PARAMETER.search(pattern):
            value = r"(\d+)" if parameter[1] == "int" else r"([^/?]+)"
            alike = re.compile("/" + re.escape(pattern[: parameter.start()]) + value)
            seen = next((match[1] for match in map(alike.match, self.seen) if match), "0")
            pattern = pattern[: parameter.start()] + seen + pattern[parameter.end() :]
        return pattern

    def _crawl(self) -> dict[str, str]:
        found: dict[str, list[str]] = defaultdict(list)
        looked_at: Counter[tuple[str, ...]] = Counter()
        waiting = list(self.seen)
        while waiting:
            path = waiting.pop(0)
            try:
                name = page_name(urlsplit(path).path)
            except Resolver404:
                continue
            kind = (name, *parse_qs(urlsplit(path).query))
            if not name or looked_at[kind] == EXAMPLES:
                continue
            looked_at[kind] += 1
            reply = self._get(path)
            if not _is_whole_page(reply):
                continue
            found[name].append(path)
            for link in LINK.findall(reply.text()):
                there = urlsplit(urljoin(path, unescape(link)))
                address = f"{there.path}?{there.query}" if there.query else there.path
                if not there.netloc and not there.path.startswith("/static/") and address not in self.seen:
                    self.seen[address] = None
                    waiting.append(address)
        return {name: addresses[0] for name, addresses in found.items() if addresses}

    def _get(self, path: str) -> Any:
        reply = self.page.request.get(path, max_redirects=0)
        if reply.status >= 500:
            self.broken.append(path)
        return reply


def _is_whole_page(reply: Any) -> bool:
    return reply.status == 200 and _is_html(reply) and "<html" in reply.text()


def _is_html(reply: Any) -> bool:
    return "text/html" in reply.headers.get("content-type", "")
