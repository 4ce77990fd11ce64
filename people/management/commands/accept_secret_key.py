from __future__ import annotations

from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError, CommandParser

from people import secret_key


class Command(BaseCommand):
    help = (
        "Accept a secret key that was changed on purpose (CONSOLE_SECRET_KEY, or the file secret_key in the data "
        "folder). This ends every session: people sign in again. Org tokens, App Keys, API keys and wallboard links "
        "stay valid."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--check", action="store_true", help="only compare the key with that of the other consoles on the database"
        )

    def handle(self, *args: Any, **options: Any) -> str | None:
        if options["check"]:
            try:
                secret_key.check()
            except ImproperlyConfigured as refusal:
                raise CommandError(str(refusal)) from None
            return None
        if not secret_key.accept():
            return "The database knows this secret key already. Nothing was changed."
        return (
            "The secret key of this console is accepted. Every session has ended: people sign in again. Org tokens, "
            "App Keys, API keys and wallboard links stay valid. Give every other console on this database the same "
            "key, and start all consoles again."
        )
