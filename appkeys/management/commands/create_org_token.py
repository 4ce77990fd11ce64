from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.utils import timezone

from appkeys.management.issue_command import IssueCommand
from appkeys.models import AppKey, OrgToken


class Command(IssueCommand):
    help = (
        "Create an organization token; prints it alone on stdout, once. It sends for the App Key of the same name, "
        "unless options say otherwise."
    )
    model = OrgToken

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        reach = parser.add_mutually_exclusive_group()
        reach.add_argument(
            "--app-key", action="append", metavar="NAME", help="An App Key that it speaks for. Repeat it for several."
        )
        reach.add_argument(
            "--all-app-keys", action="store_true", help="It speaks for every App Key, also for those to come."
        )
        parser.add_argument(
            "--scope",
            action="append",
            choices=OrgToken.Scope.values,
            help="What it may do. Repeat it for several; alerts and deployments by default.",
        )
        parser.add_argument("--days", type=int, help="How long it works. By default it does not expire.")

    def properties(self, options: dict[str, Any]) -> dict[str, Any]:
        days = options["days"]
        if days is not None and not 1 <= days <= 36_500:
            raise CommandError("--days must be a number from 1 to 36500.")
        return {
            "app_keys": None if options["all_app_keys"] else _app_keys(options["app_key"] or [options["name"]]),
            "scopes": options["scope"] or OrgToken.SENDING,
            "expires_at": timezone.now() + timedelta(days=days) if days else None,
        }


def _app_keys(names: list[str]) -> list[AppKey]:
    found = []
    for name in names:
        app_key = AppKey.objects.present().filter(name__iexact=name.strip()).first()
        if app_key is None:
            raise CommandError(
                f"There is no App Key named {name!r} that the token could send for. Create it first with create_app_key, "
                f"name another one with --app-key NAME, or choose --all-app-keys."
            )
        found.append(app_key)
    return found
