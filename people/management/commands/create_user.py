from __future__ import annotations

import secrets
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser

from people.models import BuiltIn, Role, User


class Command(BaseCommand):
    help = "Create a person who can sign in; prints the generated password alone on stdout, once."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", metavar="NAME")
        parser.add_argument(
            "--keep-password",
            action="store_true",
            help="let the printed password stay, for scripts; otherwise it is changed at the first sign-in",
        )
        parser.add_argument("--role", choices=BuiltIn.values, default=BuiltIn.VIEWER)

    def handle(self, *args: Any, **options: Any) -> str:
        user = User(username=options["name"], role=Role.objects.built_in(options["role"]))
        password = secrets.token_urlsafe(12)
        user.set_password(password)
        user.must_change_password = not options["keep_password"]
        try:
            user.full_clean()
        except ValidationError as error:
            raise CommandError(f"user {options['name']!r}: {' '.join(error.messages)}") from error
        user.save()
        return password
