"""Forms of actions: the fields that an action asks for, of one incident or of many.

The declaration of an action names its form, and makes the action of the valid form (`Action.from_form`).
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, ClassVar

from django import forms
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db.models import Case, IntegerField, QuerySet, When
from django.utils import timezone

from incidents.actions import share_mail
from incidents.models import IncidentTag, Priority
from people.models import User

COMMENT_LIMIT = 10_000
TAG_TEXT_LIMIT = 25_000
ADDRESSES_LIMIT = 20
LONGEST_SNOOZE = timedelta(days=90)  # docs/wire-contract.md §5.2
TOO_LONG = "A snooze can last 90 days at most. Choose an earlier time."
_TOO_LONG = {"max_length": "A comment can have 10,000 characters; this one has %(show_value)d."}


def comment_field(*, required: bool = False) -> forms.CharField:
    return forms.CharField(
        label="Comment",
        max_length=COMMENT_LIMIT,
        required=required,
        widget=forms.Textarea({"rows": 3}),
        help_text="Markdown: **bold**, `code`, - lists, [links](https://…)",
        error_messages={"required": "Write something first.", **_TOO_LONG},
    )


class ActionForm(forms.Form):
    """The form of an action that asks nothing, and the base of all others."""

    hint_template: ClassVar[str] = ""  # below the fields

    def __init__(self, data: Any = None, *, user: User, site: str = "") -> None:
        self.user, self.site = user, site  # `site` is the address of this console
        super().__init__(data)

    @property
    def is_answerable(self) -> bool:
        """Return whether there is anything to choose."""
        return True


class CommentedForm(ActionForm):
    """A comment that explains the action."""

    comment = comment_field()


class AssignForm(ActionForm):
    """The new owner, by default the user who asks."""

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


def possible_owners(user: User) -> QuerySet[User]:
    """Return the users who may act, with this user first."""
    everybody = User.objects.filter(is_active=True)
    acting = [person.pk for person in everybody if person.may_act]
    self_first = Case(When(pk=user.pk, then=0), default=1, output_field=IntegerField())
    return everybody.filter(pk__in=acting).order_by(self_first, "first_name", "last_name", "username")


class SnoozeForm(ActionForm):
    """The length of the snooze, or its end in the time zone of the user."""

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


class CommentForm(ActionForm):
    """The text of a comment."""

    comment = comment_field(required=True)


class ShareForm(ActionForm):
    """Users of the console, and e-mail addresses where the console can send mail."""

    people = forms.ModelMultipleChoiceField(
        User.objects.none(),
        label="With people of the console",
        required=False,
        widget=forms.CheckboxSelectMultiple,
        error_messages={
            "invalid_choice": "This person is not here any more. Choose another one.",
            "no_choices": "Nobody else is here yet; administrators invite others under People.",
        },
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


class PriorityForm(ActionForm):
    """The priority, or none."""

    priority = forms.TypedChoiceField(
        label="Priority",
        widget=forms.RadioSelect,
        required=False,
        coerce=lambda value: Priority(int(value)),
        empty_value=None,
        choices=[*((str(each.value), each.label) for each in Priority), ("", "None")],
        error_messages={"invalid_choice": "A priority is P1 to P5, or none."},
    )


class TagForm(ActionForm):
    """Choice of an incident tag and its values. Without a value the tag is removed."""

    hint_template = "actions/_tags_hint.html"

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
    def is_answerable(self) -> bool:
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
