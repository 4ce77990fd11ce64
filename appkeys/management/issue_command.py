"""Base of the commands `create_org_token` and `create_app_key`."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser

from appkeys.models import Credential


class IssueCommand(BaseCommand):
    """Command that issues one credential and prints only its secret to stdout. A name that is taken is an error (exit 1)."""

    model: type[Credential]

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", metavar="NAME")

    def properties(self, options: dict[str, Any]) -> dict[str, Any]:
        """Return what the options say of the credential, besides its name. Raise CommandError."""
        return {}

    def handle(self, *args: Any, **options: Any) -> str:
        properties = self.properties(options)
        try:
            _, secret = self.model.issue(name=options["name"], **properties)
        except ValidationError as error:
            raise CommandError(
                f"{self.model._meta.verbose_name} {options['name']!r}: {' '.join(error.messages)}"
            ) from error
        return secret
