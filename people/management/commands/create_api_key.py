from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from people import keys
from people.models import Scope, User

DAYS = 365


class Command(BaseCommand):
    help = "Create a personal API key for scripts of a person; prints it alone on stdout, once."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", metavar="NAME")
        parser.add_argument("--user", required=True, metavar="USER", help="The name under which the person signs in.")
        parser.add_argument(
            "--scope",
            action="append",
            choices=Scope.values,
            help="What the key may do, as far as the person's role allows it. Repeat it for several; read by default.",
        )
        parser.add_argument("--days", type=int, default=DAYS, help=f"How long the key works; {DAYS} days by default.")

    def handle(self, *args: Any, **options: Any) -> str:
        user = User.objects.filter(username__iexact=options["user"], is_active=True).first()
        if user is None:
            raise CommandError(f"There is no active person named {options['user']!r}. Create one with create_user.")
        if not 1 <= options["days"] <= 36_500:
            raise CommandError("--days must be a number from 1 to 36500.")
        expires_at = timezone.now() + timedelta(days=options["days"])
        scopes = options["scope"] or [Scope.READ]
        try:
            _, secret = keys.create(user, name=options["name"], scopes=scopes, expires_at=expires_at, by=None)
        except ValidationError as error:
            raise CommandError(f"API key {options['name']!r}: {' '.join(error.messages)}") from error
        return secret
