"""Incident tags are defined and changed by administrators, from the page and over the API, and the audit log says so."""

from __future__ import annotations

from django.db import transaction

from incidents.models import IncidentTag
from incidents.tags.forms import TagDefinitionForm
from people import audit
from people.models import User

PROPERTIES = ("name", "description", "kind", "choices", "active")


@transaction.atomic
def save(form: TagDefinitionForm, *, by: User) -> IncidentTag:
    """Create or change what a valid form describes."""
    pk = form.instance.pk
    old = audit.properties(IncidentTag.objects.get(pk=pk), *PROPERTIES) if pk else None
    tag: IncidentTag = form.save()
    change = audit.Change.CHANGED if pk else audit.Change.CREATED
    audit.record(by, tag, change, old=old, new=audit.properties(tag, *PROPERTIES))
    return tag


@transaction.atomic
def delete(tag: IncidentTag, *, by: User) -> None:
    """With its values on all incidents."""
    audit.record(by, tag, audit.Change.DELETED, old=audit.properties(tag, *PROPERTIES))
    tag.delete()
