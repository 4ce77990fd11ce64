"""Command that prints the permission matrix."""

from __future__ import annotations

import csv
import sys
from collections.abc import Sequence
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from people.models import Role
from people.permission_matrix import routes

WORDS = {True: "yes", False: "no", None: "·"}


class Command(BaseCommand):
    """Print each route and method with what it needs, whether it asks who may see an incident, and the roles that it lets in."""

    help = (
        "Print every route and method: what it needs, whether it asks which incidents the reader may see, and for each "
        "role whether it is let in (· where a role does not count)."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--csv", action="store_true", help="print comma-separated values")

    def handle(self, *args: Any, **options: Any) -> None:
        roles = list(Role.objects.in_order())
        rows: list[Sequence[str]] = [("Method", "Route", "Needs", "Rule of incidents", *(role.name for role in roles))]
        for route in routes():
            for method in route.methods:
                let_in = [WORDS[route.lets_in(role, method)] for role in roles]
                rows.append((method, route.path, route.gate(method), "asked" if route.asks_rule else "", *let_in))
        if options["csv"]:
            csv.writer(self.stdout if self.stdout else sys.stdout).writerows(rows)
            return
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        for row in rows:
            self.stdout.write("  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip())
