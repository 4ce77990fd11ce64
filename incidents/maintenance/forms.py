"""Form of a maintenance plan, for its pages and the API."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils import timezone

import bpql
from incidents.maintenance.changes import Draft
from incidents.models import MaintenancePlan

WHILE_RUNNING = ("ends_at",)  # the only property that a running plan can change (docs/wire-contract.md §6.2)
_WRITTEN = "%Y-%m-%dT%H:%M"


class PlanForm(forms.ModelForm):  # type: ignore[type-arg] # Django's own takes none
    """The properties of a plan. Of a running plan, only the end can be changed."""

    class Meta:
        model = MaintenancePlan
        fields = ("name", "condition", "starts_at", "ends_at", "description")
        field_classes = dict.fromkeys(("starts_at", "ends_at"), forms.DateTimeField)
        widgets = {  # noqa: RUF012
            name: forms.DateTimeInput({"type": "datetime-local", "step": "60"}, format=_WRITTEN)
            for name in ("starts_at", "ends_at")
        }
        error_messages = {  # noqa: RUF012
            "name": {
                "required": "Give the plan a name.",
                "max_length": "A name can have 200 characters; this one has %(show_value)d.",
            },
            "condition": {"required": "Say which alerts it is about; host = * is every one that names a host."},
            "starts_at": {"required": "Say when it starts.", "invalid": "Write it as 2026-03-24 14:30."},
            "ends_at": {"required": "Say when it ends.", "invalid": "Write it as 2026-03-24 14:30."},
            "description": {"max_length": "A description can have 2,000 characters; this one has %(show_value)d."},
        }

    def __init__(self, data: Any = None, *, instance: MaintenancePlan | None = None, **options: Any) -> None:
        super().__init__(data, instance=instance, **options)
        for name, field in self.fields.items():
            field.disabled = (
                instance is not None and instance.state is MaintenancePlan.State.RUNNING and name not in WHILE_RUNNING
            )

    @property
    def draft(self) -> Draft:
        """The properties, once the form is valid."""
        return Draft(**self.cleaned_data)

    def clean_condition(self) -> str:
        condition = str(self.cleaned_data["condition"]).strip()
        try:
            bpql.parse(condition).require_alerts()
        except bpql.BpqlError as error:
            raise forms.ValidationError(str(error)) from None
        return condition

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        starts_at, ends_at = cleaned.get("starts_at"), cleaned.get("ends_at")
        if ends_at and ends_at <= timezone.now():
            self.add_error("ends_at", "This time has passed already. Choose a later one.")
        elif starts_at and ends_at and ends_at <= starts_at:
            self.add_error("ends_at", "It must end after it starts.")
        return cleaned
