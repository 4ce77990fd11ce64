"""Telling others of an incident: people of the console, and whoever has an e-mail address (docs/wire-contract.md §5.2)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

from django.db import transaction

from incidents.actions.action import Action
from incidents.models import Activity, Incident
from people.models import User


@dataclass(frozen=True)
class Share(Action):
    """Tell people and addresses of it, in a mail where the console can send one. Undone, it counts as told to them no more; a mail stays sent."""

    people: tuple[User, ...]
    addresses: tuple[str, ...] = ()
    comment: str = ""
    site: str = ""  # the address of this console, for the link in the mail

    kind = Activity.Kind.SHARED
    columns = ("shared_with", "shared_count")
    changed_since = "It was shared with others since: undo that first."

    @property
    def said(self) -> str:
        return self.comment

    def refusal(self, incident: Incident) -> str:
        return "" if self._new(incident) else "It is shared with all of them already."

    def change(self, incident: Incident, *, by: User | None, at: datetime) -> dict[str, Any]:
        new = self._new(incident)
        incident.shared_with = [*incident.shared_with, *new]
        incident.shared_count = len(incident.shared_with)
        return {"to": [name for _, name in new]}

    def carry_out(self, done: Mapping[int, Activity], at: datetime) -> None:
        from incidents.actions.tasks import mail_shares  # which does what is done here

        addresses = {*self.addresses, *(person.email for person in self.people if person.email)}
        activities = [activity.pk for activity in done.values()]
        if addresses and activities:
            transaction.on_commit(lambda: mail_shares.delay(activities, sorted(addresses), self.site), robust=True)

    def arguments(self) -> dict[str, Any]:
        return {**super().arguments(), "people": [person.pk for person in self.people]}

    @classmethod
    def of(cls, arguments: Mapping[str, Any]) -> Self:
        people = User.objects.filter(pk__in=arguments["people"]).order_by("pk")
        return cls(**{**arguments, "people": tuple(people), "addresses": tuple(arguments["addresses"])})

    def _new(self, incident: Incident) -> list[list[str]]:
        """Those whom nobody has told yet: [key of a person or address, name]."""
        wanted = [
            *([str(person.pk), person.shown_name] for person in self.people),
            *([address, address] for address in self.addresses),
        ]
        told = {key for key, _ in incident.shared_with}
        return [each for each in wanted if each[0] not in told]
