"""Incident tags, which people put on incidents (docs/wire-contract.md §6.3). Senders put other tags on alerts."""

from __future__ import annotations

from typing import ClassVar

from django.core.exceptions import ValidationError
from django.core.validators import MaxLengthValidator
from django.db import models
from django.db.models.functions import Lower

from incidents.models.incident import Incident

VALUE_LIMIT = 500  # characters
VALUES_LIMIT = 50


class IncidentTag(models.Model):
    """A tag that administrators define and people put on incidents.

    A tag that is switched off is kept, but no longer offered.
    """

    class Kind(models.TextChoices):
        TEXT = "Text", "Text"
        MULTI_VALUE = "MultiValue", "Several values"
        CLOSED_SINGLE = "ClosedListValuesSingle", "One of a list"
        CLOSED_MULTI = "ClosedListValuesMulti", "Several of a list"

    name = models.CharField(max_length=20)
    description = models.TextField(blank=True, default="", validators=[MaxLengthValidator(200)])
    kind = models.CharField(max_length=30, choices=Kind, default=Kind.TEXT)
    choices: models.JSONField[list[str], list[str]] = models.JSONField(default=list, blank=True)  # of a closed list
    active = models.BooleanField(default=True)

    class Meta:
        ordering: ClassVar = [Lower("name")]
        constraints: ClassVar = [
            models.UniqueConstraint(
                Lower("name"),
                name="incidents_incidenttag_name_any_case",
                violation_error_message="There is an incident tag of this name already. Choose another name.",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def read(self, text: str) -> list[str]:
        """Return the values in a text that a person wrote, where commas separate several values.

        Raises ValidationError if the tag does not accept the values.
        """
        written = text.split(",") if self.has_many else [text]
        values = list(dict.fromkeys(value.strip() for value in written if value.strip()))
        for value in values:
            if len(value) > VALUE_LIMIT:
                raise ValidationError(f"A value can have {VALUE_LIMIT} characters; this one has {len(value)}.")
        if len(values) > VALUES_LIMIT:
            raise ValidationError(f"A tag can have {VALUES_LIMIT} values; these are {len(values)}.")
        if self.has_choices and (unknown := [value for value in values if value not in self.choices]):
            raise ValidationError(f"{self.name} is one of {', '.join(self.choices)}; not {unknown[0]}.")
        return values

    @property
    def has_choices(self) -> bool:
        return self.kind in (self.Kind.CLOSED_SINGLE, self.Kind.CLOSED_MULTI)

    @property
    def has_many(self) -> bool:
        return self.kind in (self.Kind.MULTI_VALUE, self.Kind.CLOSED_MULTI)


class IncidentTagValue(models.Model):
    """The values of a tag on one incident. The list has one element if the tag takes one value."""

    incident = models.ForeignKey(Incident, models.CASCADE, related_name="tag_values")
    tag = models.ForeignKey(IncidentTag, models.CASCADE, related_name="values")
    values: models.JSONField[list[str], list[str]] = models.JSONField()

    class Meta:
        constraints: ClassVar = [
            # Two people may set a tag at once. The constraint lets one succeed.
            models.UniqueConstraint(fields=["incident", "tag"], name="incidents_one_value_per_tag"),
        ]
        ordering: ClassVar = [Lower("tag__name")]

    def __str__(self) -> str:
        return f"{self.tag}: {', '.join(self.values)}"
