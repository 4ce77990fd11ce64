"""Changes of the definitions of incident tags, for their page and the API.

Each change writes an entry of the audit log in the same transaction.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Self

from django.db import transaction

from incidents.models import IncidentTag
from people import audit
from people.models import User


@dataclass(frozen=True, slots=True)
class Draft:
    """The properties of an incident tag that people decide, as TagDefinitionForm has checked them."""

    name: str
    description: str
    kind: str
    choices: list[str]
    active: bool

    @classmethod
    def of(cls, tag: IncidentTag) -> Self:
        return cls(tag.name, tag.description, tag.kind, tag.choices, tag.active)


@transaction.atomic
def create(draft: Draft, *, by: User) -> IncidentTag:
    """Define a tag."""
    tag = IncidentTag.objects.create(**asdict(draft))
    audit.record(by, tag, audit.Change.CREATED, new=asdict(draft))
    return tag


@transaction.atomic
def edit(tag: IncidentTag, draft: Draft, *, by: User) -> IncidentTag:
    """Give a tag other properties. Values that incidents have stay."""
    tag = _locked(tag)
    before = Draft.of(tag)
    for name, value in asdict(draft).items():
        setattr(tag, name, value)
    tag.save()
    audit.record(by, tag, audit.Change.CHANGED, old=asdict(before), new=asdict(draft))
    return tag


@transaction.atomic
def delete(tag: IncidentTag, *, by: User) -> None:
    """Delete a tag, with its values on all incidents."""
    tag = _locked(tag)
    audit.record(by, tag, audit.Change.DELETED, old=asdict(Draft.of(tag)))
    tag.delete()


def _locked(tag: IncidentTag) -> IncidentTag:
    # Two people may change a tag at once. The lock makes the second person wait for the first.
    return IncidentTag.objects.select_for_update().get(pk=tag.pk)
