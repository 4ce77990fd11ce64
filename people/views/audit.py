"""The audit log: a page to search it, and exports of the entries that match."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from typing import Any

from django.http import HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from db import time_limit
from db.keyset import page_after
from people.access import SignedInRequest, may_see
from people.filters import AuditFilter
from people.models import Area, AuditEntry
from people.serializers import AuditEntrySerializer

ENTRIES_PER_PAGE = 50
COLUMNS = (
    "timestamp",
    "actor",
    "actorType",
    "address",
    "changeType",
    "entityType",
    "entityId",
    "entityName",
    "property",
    "oldValue",
    "newValue",
)


@may_see(Area.AUDIT)
@require_safe
def log(request: SignedInRequest) -> HttpResponse:
    asked = AuditFilter(request.GET)
    with time_limit.limited():
        page = page_after(asked.qs.select_related("actor"), request.GET.get("after", ""), size=ENTRIES_PER_PAGE)
    context = {
        "filter": asked,
        "page": page,
        "older": asked.query(after=page.next_key),
        "actors": AuditEntry.objects.order_by("actor_name").values_list("actor_name", flat=True).distinct(),
        "kinds": AuditEntry.objects.order_by("entity_kind").values_list("entity_kind", flat=True).distinct(),
    }
    return render(request, "people/audit.html", context)


@may_see(Area.AUDIT)
@require_safe
def export(request: SignedInRequest, form: str) -> HttpResponseBase:
    """Stream the entries that match. The memory use does not depend on their number."""
    asked = AuditFilter(request.GET)
    if not asked.is_valid():
        return log(request)
    entries = asked.qs.iterator(chunk_size=500)
    lines, kind = (
        (_as_csv(entries), "text/csv; charset=utf-8") if form == "csv" else (_as_json(entries), "application/json")
    )
    name = f"audit-log-{timezone.now():%Y-%m-%d}.{form}"
    return StreamingHttpResponse(
        lines, content_type=kind, headers={"Content-Disposition": f'attachment; filename="{name}"'}
    )


class _Line:
    """File-like object for the csv module that returns each line."""

    def write(self, line: str) -> str:
        return line


def _as_csv(entries: Iterator[AuditEntry]) -> Iterator[str]:
    """Return one line for each property that changed, and one line for a change without properties."""
    write, as_data = csv.writer(_Line()).writerow, AuditEntrySerializer().to_representation
    yield write(COLUMNS)
    for entry in entries:
        told = as_data(entry)
        about = [told["timestamp"], told["userFullName"], told["actorType"], entry.address, told["changeType"]]
        about += [told["entityType"], told["entityId"], told["entityName"]]
        for each in entry.changes or [{}]:
            values = (each.get("propertyPath"), each.get("oldValue"), each.get("newValue"))
            yield write([_cell(value) for value in (*about, *values)])


def _cell(value: Any) -> str:
    """Return text that a spreadsheet does not read as a formula."""
    text = "" if value is None else value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text


def _as_json(entries: Iterator[AuditEntry]) -> Iterator[str]:
    before, as_data = "[", AuditEntrySerializer().to_representation
    for entry in entries:
        yield before + json.dumps(as_data(entry), ensure_ascii=False)
        before = ",\n"
    yield "[]" if before == "[" else "]\n"
