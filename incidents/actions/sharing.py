"""Sharing of incidents with users of the console and with e-mail addresses (docs/wire-contract.md §5.2)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

from django.db import transaction

from incidents.actions import share_mail
from incidents.actions.action import EVERY_FOLDER, Action
from incidents.actions.activity_texts import Text
from incidents.actions.forms import ActionForm, ShareForm
from incidents.models import Activity, Incident, ShareMail
from people.models import User


@dataclass(frozen=True)
class Share(Action):
    """Sharing of an incident with users and addresses, by mail where the console can send mail.

    Undo takes the users and addresses out of the incident again. A mail that was sent stays sent.
    """

    people: tuple[User, ...]
    addresses: tuple[str, ...] = ()
    comment: str = ""
    site: str = ""  # the address of this console, for the link in the mail

    name, kind = "share", Activity.Kind.SHARED
    verb, done, icon, key = "Share", "Shared", "share-2", "S"
    in_menu = True
    bulk_folders = EVERY_FOLDER
    form, question = ShareForm, "Share {}"
    columns = ("shared_with", "shared_count")
    changed_since = "It was shared with others since: undo that first."

    @classmethod
    def effect_text(cls) -> str:
        found = "They find it in the folder Shared, by the filter “Only shared with me”"
        if share_mail.is_set_up():
            return (
                f"{found}; who has an e-mail address gets a mail. A mail cannot be taken back, the rest can be undone."
            )
        return f"{found}. The console sends no mail: an administrator can set CONSOLE_EMAIL_URL for that."

    @classmethod
    def from_form(cls, form: ActionForm) -> Action:
        said = form.cleaned_data
        return cls(tuple(said["people"]), tuple(said.get("addresses", ())), said["comment"], form.site)

    def refusal(self, incident: Incident) -> str:
        return "" if self._new(incident) else "It is shared with all of them already."

    def change(self, incident: Incident, *, by: User | None, at: datetime) -> dict[str, Any]:
        new = self._new(incident)
        incident.shared_with = [*incident.shared_with, *new]
        incident.shared_count = len(incident.shared_with)
        return {"to": [name for _, name in new]}

    def after_change(self, activities: Mapping[int, Activity], at: datetime) -> None:
        addresses = {*self.addresses, *(person.email for person in self.people if person.email)}
        pks = [activity.pk for activity in activities.values()]
        if addresses and pks:
            ShareMail.objects.create(activities=pks, addresses=sorted(addresses), site=self.site)
            transaction.on_commit(share_mail.mail_shares.delay, robust=True)

    def arguments(self) -> dict[str, Any]:
        return {**super().arguments(), "people": [person.pk for person in self.people]}

    @classmethod
    def from_arguments(cls, arguments: Mapping[str, Any]) -> Self:
        people = User.objects.filter(pk__in=arguments["people"]).order_by("pk")
        return cls(**{**arguments, "people": tuple(people), "addresses": tuple(arguments["addresses"])})

    @classmethod
    def sentence(cls, activity: Activity) -> Text:
        return f"shared the incident with {', '.join(activity.details['to'])}"

    def _new(self, incident: Incident) -> list[list[str]]:
        """Return the users and addresses that the incident is not shared with yet: the key or address, and the name."""
        wanted = [
            *([str(person.pk), person.shown_name] for person in self.people),
            *([address, address] for address in self.addresses),
        ]
        known = {key for key, _ in incident.shared_with}
        return [each for each in wanted if each[0] not in known]
