"""Command `manage.py play_demo`, which `./console up --demo` runs."""

from __future__ import annotations

import shutil
import time
from contextlib import closing
from typing import Any, TextIO

from django.core.management.base import BaseCommand, CommandError, CommandParser

from incidents.demo.credentials import Credentials, obtain
from incidents.demo.play import Played, PlayStopped, Sender, play
from incidents.demo.record import Sending, read

BAR = 24  # characters
REDRAW_SECONDS = 0.05


class Command(BaseCommand):
    help = "Play a recorded day of a shop's outage to a running console, over HTTP. The day ends now."

    def add_arguments(self, parser: CommandParser) -> None:
        where = "where the console answers (default: %(default)s)"
        parser.add_argument("--url", default="http://127.0.0.1:8000", help=where)

    def handle(self, *args: Any, **options: Any) -> None:
        day, url = list(read()), options["url"].rstrip("/")
        progress = Progress(sum(len(sending.alerts) for sending in day), self.stderr)
        began, credentials = time.monotonic(), Credentials()
        try:
            with closing(Sender(url)) as sender:
                sender.connect()  # without a console no credential is issued
                credentials = obtain(dict.fromkeys(sending.source for sending in day))
                played = play(
                    day,
                    sender,
                    org_token=credentials.org_token,
                    app_keys=credentials.app_keys,
                    ends_at=int(time.time()),
                    progress=progress.show,
                )
        except (PlayStopped, KeyboardInterrupt) as error:
            progress.end()
            if not progress.shown:
                credentials.withdraw()
            raise CommandError(str(error) or f"Stopped after {progress.shown} events.") from None
        progress.end()
        self.stdout.write(_summary(played, credentials, seconds=time.monotonic() - began))
        self.stdout.write(f"The feed: {url}/")
        if played.refused:
            raise CommandError(f"The console refused {played.refused} requests, the first with: {played.first_refusal}")


class Progress:
    """Progress of a demo: a bar in a terminal, elsewhere a line for each chapter."""

    def __init__(self, total: int, out: Any) -> None:
        self.total, self.shown, self.chapter, self.drawn_at = total, 0, "", 0.0
        self.out: TextIO = getattr(out, "_out", out)  # Django's wrapper ends each write with a newline
        self.is_terminal = self.out.isatty()

    def show(self, played: Played, sending: Sending) -> None:
        self.shown = played.events
        if self.is_terminal:
            now = time.monotonic()
            if self.shown == self.total or now - self.drawn_at > REDRAW_SECONDS:
                self.drawn_at = now
                done = BAR * self.shown // self.total
                line = f"Demo [{'#' * done}{'.' * (BAR - done)}] {self.shown}/{self.total}  {sending.chapter}"
                self._write("\r" + line[: shutil.get_terminal_size().columns - 1] + "\x1b[K")
        elif sending.chapter != self.chapter:
            self._write(f"Demo, {self.shown} of {self.total} events: {sending.chapter}\n")
        self.chapter = sending.chapter

    def end(self) -> None:
        if self.is_terminal and self.shown:
            self._write("\n")

    def _write(self, text: str) -> None:
        self.out.write(text)
        self.out.flush()


def _summary(played: Played, credentials: Credentials, *, seconds: float) -> str:
    lines = [
        f"Played {played.events} events of a day in {sum(played.replies.values())} requests and {seconds:.1f} s. "
        f"Answers: {played.replies[201]} times 201 (accepted), {played.replies[204]} times 204 (duplicates), "
        f"{played.refused} others."
    ]
    if credentials.issued:
        lines.append(f"New credentials: {_names(credentials.issued)}.")
    if credentials.renewed:
        names = _names(credentials.renewed)
        lines.append(f"From an earlier demo, now with new secrets: {names}. Their alerts go on where it left them.")
    return "\n".join(lines)


def _names(credentials: list[Any]) -> str:
    return ", ".join(f"{each._meta.verbose_name} “{each.name}”" for each in credentials)
