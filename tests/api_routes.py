"""The operations of the API by the credential that they take, found in the URL map."""

from __future__ import annotations

import re
from collections.abc import Iterator

from django.urls import URLPattern, URLResolver, get_resolver
from rest_framework.authentication import BaseAuthentication
from rest_framework.views import APIView

METHODS = ("get", "post", "put", "patch", "delete")
VALUES = {
    "<int:pk>": "1",
    "<int:number>": "1",
    "<uuid:pk>": "7d444840-9dc0-11d1-b245-5ffdce74fad2",
    "<str:env>": "all",
    "<slug:tool>": "grafana",
}


def routes(
    credential: type[BaseAuthentication], patterns: list[URLPattern | URLResolver] | None = None, before: str = ""
) -> Iterator[tuple[str, str]]:
    """Yield the method and a path of each operation that takes a credential. A part that is not known is `x`."""
    for each in get_resolver().url_patterns if patterns is None else patterns:
        path = before + str(each.pattern)
        if isinstance(each, URLResolver):
            yield from routes(credential, each.url_patterns, path)
            continue
        view = getattr(each.callback, "cls", APIView)
        if any(issubclass(one, credential) for one in view.authentication_classes):
            for name, value in VALUES.items():
                path = path.replace(name, value)
            path = re.sub(r"\(\?P<action>(\w+)[^)]*\)", r"\1", path.strip("^$"))
            path = re.sub(r"\(\?P<\w+>[^)]*\)|<\w+:\w+>", "x", path)
            yield from ((method, f"/{path}") for method in METHODS if hasattr(view, method))
