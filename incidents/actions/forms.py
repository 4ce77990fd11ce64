"""One form per action: what it asks, and the action that comes of it, for one incident and for many."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, ClassVar

from django import forms
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db.models import Case, IntegerField, QuerySet, When
from django.utils import timezone

from incidents.actions import (
    Acknowledge,
    Action,
    Assign,
    Comment,
    Prioritise,
    RemoveTag,
    Reopen,
    Resolve,
    SetTag,
    Share,
    Snooze,
    Unacknowledge,
    Unassign,
    Unsnooze,
    share_mail,
)
from incidents.actions.handling import LONGEST_SNOOZE, TOO_LONG
from incidents.models import IncidentTag, Priority
from people.models import User

COMMENT_LIMIT = 10_000
TAG_TEXT_LIMIT = 25_000
ADDRESSES_LIMIT = 20
_TOO_LONG = {"max_length": "A comment can have 10,000 characters; this one has %(show_value)d."}


def comment_field(*, required: bool = False) -> forms.CharField:
    return forms.CharField(
        max_length=COMMENT_LIMIT,
        required=required,
        widget=forms.Textarea({"rows": 3}),
        error_messages={"required": "Write something first.", **_TOO_LONG},
    )


class ActionForm(forms.Form):
    """What an action asks before it is done, in words, and the action it comes to."""

    verb: ClassVar[str]  # on the button
    done: ClassVar[str]  # the toast's word for one incident; with a capital
    icon: ClassVar[str]
    asked: ClassVar[str]  # the question, about {}
    lead: ClassVar[str] = ""  # what will happen

    def __init__(self, data: Any = None, *, user: User, site: str = "") -> None:
        self.user, self.site = user, site  # the address of this console
        super().__init__(data)

    def action(self) -> Action:
        raise NotImplementedError

    def question(self, count: int | None = None) -> str:
        """About this incident, or about so many."""
        return self.asked.format(
            "this incident" if count is None else "1 incident" if count == 1 else f"{count:,} incidents"
        )


class ResolveForm(ActionForm):
    verb, done, icon = "Resolve", "Resolved", "check"
    asked = "Resolve {}?"
    lead = "A newer event that is not ok reopens the incident. You can undo this."

    comment = comment_field()

    def action(self) -> Action:
        return Resolve(self.cleaned_data["comment"])


class ReopenForm(ActionForm):
    verb, done, icon = "Reopen", "Reopened", "repeat"
    asked = "Reopen {}?"
    lead = "Alerts that were ended by hand fire again, as their senders last said. An incident of which none fires stays open until the next ok."

    comment = comment_field()

    def action(self) -> Action:
        return Reopen(self.cleaned_data["comment"])


class AcknowledgeForm(ActionForm):
    verb, done, icon = "Acknowledge", "Acknowledged", "eye"
    asked = "Acknowledge {}?"
    lead = "It says that somebody has seen it, until it reopens. It stays where it is in the feed."

    def action(self) -> Action:
        return Acknowledge()


class UnacknowledgeForm(ActionForm):
    verb, done, icon = "Take the acknowledgement back", "No longer acknowledged", "eye-off"
    asked = "Take back that {} was seen?"

    def action(self) -> Action:
        return Unacknowledge()


class AssignForm(ActionForm):
    """Without a person, to oneself."""

    verb, done, icon = "Assign", "Assigned", "user-plus"
    asked = "Assign {}"

    to = forms.ModelChoiceField(
        User.objects.none(),
        label="To",
        required=False,
        empty_label=None,
        error_messages={"invalid_choice": "This person is not here any more, or may not act. Choose another one."},
    )

    def __init__(self, data: Any = None, *, user: User, site: str = "") -> None:
        super().__init__(data, user=user, site=site)
        field: Any = self.fields["to"]
        field.queryset, field.label_from_instance = possible_owners(user), self._label
        field.initial = user.pk

    def _label(self, person: User) -> str:
        return f"{person.shown_name} (you)" if person == self.user else person.shown_name

    def action(self) -> Action:
        return Assign(self.cleaned_data["to"] or self.user)


def possible_owners(user: User) -> QuerySet[User]:
    """Who may act, oneself first."""
    everybody = User.objects.filter(is_active=True)
    acting = [person.pk for person in everybody if person.may_act]
    self_first = Case(When(pk=user.pk, then=0), default=1, output_field=IntegerField())
    return everybody.filter(pk__in=acting).order_by(self_first, "first_name", "last_name", "username")


class ReleaseForm(ActionForm):
    verb, done, icon = "Release", "Released", "user-minus"
    asked = "Release {}?"

    def action(self) -> Action:
        return Unassign()


class SnoozeForm(ActionForm):
    """For a while, or until a time in the reader's zone."""

    verb, done, icon = "Snooze", "Snoozed", "alarm-clock"
    asked = "Snooze {}"
    lead = "It waits in the folder Snoozed, and comes back by itself."

    LENGTHS: ClassVar = {"15m": timedelta(minutes=15), "1h": timedelta(hours=1), "4h": timedelta(hours=4)}

    length = forms.ChoiceField(
        label="How long",
        widget=forms.RadioSelect,
        initial="1h",
        choices=[
            ("15m", "15 minutes"),
            ("1h", "1 hour"),
            ("4h", "4 hours"),
            ("tomorrow", "Until tomorrow, 8:00"),
            ("until", "Until"),
        ],
        error_messages={"required": "Choose how long.", "invalid_choice": "Choose one of these."},
    )
    until = forms.DateTimeField(
        label="Date and time",
        required=False,
        widget=forms.DateTimeInput({"type": "datetime-local", "step": "60"}, format="%Y-%m-%dT%H:%M"),
        input_formats=["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M"],
        error_messages={"invalid": "Write it as 2026-03-24 14:30."},
    )
    wakes_on_update = forms.BooleanField(
        label="End it earlier when an alert joins, the status gets worse, or it reopens", required=False, initial=True
    )
    comment = comment_field()

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if "length" not in cleaned or "until" not in cleaned:
            return cleaned
        now = timezone.now()
        until = self._until(cleaned["length"], cleaned["until"], now)
        if until is None:
            self.add_error("until", "Say until when.")
        elif until <= now:
            self.add_error("until", "This time has passed already. Choose a later one.")
        elif until - now > LONGEST_SNOOZE:
            self.add_error("until", TOO_LONG)
        cleaned["until"] = until
        return cleaned

    def _until(self, length: str, until: datetime | None, now: datetime) -> datetime | None:
        if length == "until":
            return until
        if length == "tomorrow":
            tomorrow = timezone.localtime(now) + timedelta(days=1)
            return tomorrow.replace(hour=8, minute=0, second=0, microsecond=0)
        return now + self.LENGTHS[length]

    def action(self) -> Action:
        said = self.cleaned_data
        return Snooze(said["until"], said["wakes_on_update"], said["comment"])


class UnsnoozeForm(ActionForm):
    verb, done, icon = "End the snooze", "Back from its snooze", "alarm-clock"
    asked = "End the snooze of {}?"

    def action(self) -> Action:
        return Unsnooze()


class CommentForm(ActionForm):
    verb, done, icon = "Comment", "Commented", "message-square"
    asked = "Comment on {}"

    comment = comment_field(required=True)

    def action(self) -> Action:
        return Comment(self.cleaned_data["comment"])


class ShareForm(ActionForm):
    """To people of the console; where it can send mail, to addresses too."""

    verb, done, icon = "Share", "Shared", "share-2"
    asked = "Share {}"

    people = forms.ModelMultipleChoiceField(
        User.objects.none(),
        label="With people of the console",
        required=False,
        widget=forms.CheckboxSelectMultiple,
        error_messages={"invalid_choice": "This person is not here any more. Choose another one."},
    )
    addresses = forms.CharField(
        label="With e-mail addresses",
        required=False,
        max_length=ADDRESSES_LIMIT * 100,
        widget=forms.TextInput({"placeholder": "ops@example.com, manager@example.com", "autocomplete": "off"}),
        help_text="Several are separated by commas. Each gets a mail of its own.",
    )
    comment = comment_field()

    def __init__(self, data: Any = None, *, user: User, site: str = "") -> None:
        super().__init__(data, user=user, site=site)
        field: Any = self.fields["people"]
        others = User.objects.filter(is_active=True).exclude(pk=user.pk)
        field.queryset = others.order_by("first_name", "last_name", "username")
        field.label_from_instance = self._label
        if not share_mail.is_set_up():
            del self.fields["addresses"]

    @property
    def lead(self) -> str:  # type: ignore[override] # it depends on a setting
        found = "They find it in the folder Shared, by the filter “Only shared with me”"
        if share_mail.is_set_up():
            return (
                f"{found}; who has an e-mail address gets a mail. A mail cannot be taken back, the rest can be undone."
            )
        return f"{found}. The console sends no mail: an administrator can set CONSOLE_EMAIL_URL for that."

    @staticmethod
    def _label(person: User) -> str:
        return f"{person.shown_name} ({person.email})" if person.email and share_mail.is_set_up() else person.shown_name

    def clean_addresses(self) -> list[str]:
        written = self.cleaned_data["addresses"].replace(";", ",").replace(" ", ",").split(",")
        addresses = list(dict.fromkeys(address.strip() for address in written if address.strip()))
        if len(addresses) > ADDRESSES_LIMIT:
            raise ValidationError(
                f"One can share with {ADDRESSES_LIMIT} addresses at once; these are {len(addresses)}."
            )
        for address in addresses:
            try:
                validate_email(address)
            except ValidationError:
                raise ValidationError(f"{address} is not an e-mail address.") from None
        return addresses

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if not self.errors and not cleaned["people"] and not cleaned.get("addresses"):
            self.add_error("people", "Choose somebody to share it with.")
        return cleaned

    def action(self) -> Action:
        said = self.cleaned_data
        return Share(tuple(said["people"]), tuple(said.get("addresses", ())), said["comment"], self.site)


class PriorityForm(ActionForm):
    verb, done, icon = "Set the priority", "Priority set", "flag"
    asked = "Set the priority of {}"

    priority = forms.TypedChoiceField(
        label="Priority",
        widget=forms.RadioSelect,
        required=False,
        coerce=lambda value: Priority(int(value)),
        empty_value=None,
        choices=[*((str(each.value), each.label) for each in Priority), ("", "None")],
        error_messages={"invalid_choice": "A priority is P1 to P5, or none."},
    )

    def action(self) -> Action:
        return Prioritise(self.cleaned_data["priority"])


class TagForm(ActionForm):
    """Set one incident tag; without a value, remove it."""

    verb, done, icon = "Set the tag", "Tag set", "tag"
    asked = "Set a tag on {}"
    lead = "Without a value the tag is removed."

    tag = forms.ModelChoiceField(
        IncidentTag.objects.none(),
        label="Tag",
        empty_label=None,
        error_messages={"required": "Choose a tag.", "invalid_choice": "This tag is not offered any more."},
    )
    values = forms.CharField(
        label="Value",
        required=False,
        max_length=TAG_TEXT_LIMIT,
        help_text="Several values are separated by commas, where the tag takes several.",
    )

    def __init__(self, data: Any = None, *, user: User, site: str = "") -> None:
        super().__init__(data, user=user, site=site)
        field: Any = self.fields["tag"]
        field.queryset = IncidentTag.objects.filter(active=True)

    @property
    def closed_lists(self) -> list[IncidentTag]:
        field: Any = self.fields["tag"]
        return [tag for tag in field.queryset if tag.has_choices]

    @property
    def offers_tags(self) -> bool:
        field: Any = self.fields["tag"]
        return bool(field.queryset)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        tag: IncidentTag | None = cleaned.get("tag")
        if tag and "values" in cleaned:
            try:
                cleaned["values"] = tag.read(cleaned["values"])
            except ValidationError as error:
                self.add_error("values", error)
        return cleaned

    def action(self) -> Action:
        tag, values = self.cleaned_data["tag"], self.cleaned_data["values"]
        return SetTag(tag, tuple(values)) if values else RemoveTag(tag)


FORMS: dict[str, type[ActionForm]] = {
    "resolve": ResolveForm,
    "reopen": ReopenForm,
    "acknowledge": AcknowledgeForm,
    "unacknowledge": UnacknowledgeForm,
    "assign": AssignForm,
    "release": ReleaseForm,
    "snooze": SnoozeForm,
    "unsnooze": UnsnoozeForm,
    "share": ShareForm,
    "comment": CommentForm,
    "priority": PriorityForm,
    "tag": TagForm,
}
