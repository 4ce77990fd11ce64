"""Questions and answers of groupings: merging incidents, and taking alerts out of one."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST
from django_htmx.http import HttpResponseClientRedirect

from alerts.events import shown
from alerts.models import Alert
from bpql import SearchStopped
from db import time_limit
from incidents.actions import Merge, Move, Split, SplitByTag, tasks
from incidents.actions.activity_texts import alerts_counted, incidents_counted
from incidents.actions.bulk import LARGE, start_grouping
from incidents.actions.grouping import SPLIT_LIMIT, Grouping
from incidents.actions.grouping_forms import INCIDENTS_LIMIT, MergeChosenForm, MergeForm, SplitForm
from incidents.detail.alert_filter import AlertFilter
from incidents.models import Incident
from incidents.views.actions import attempt, return_url, show_question
from people.access import SignedInRequest, responders_only

CANDIDATES = 12  # other incidents that are offered
OFFERED_ALERTS = 100  # of those that are not picked


@responders_only
@require_http_methods(["GET", "HEAD", "POST"])
def merge(request: SignedInRequest, pk: int) -> HttpResponse:
    """Ask which other incidents to merge into this one, or merge them."""
    incident = get_object_or_404(Incident.objects.changeable_by(request.user), pk=pk)
    among = Incident.objects.changeable_by(request.user)
    candidates = list(among.open().exclude(pk=pk).order_by("-changed_at")[:CANDIDATES])
    form = MergeForm(request.POST if request.method == "POST" else None, candidates=candidates, among=among)
    if request.method == "POST" and form.is_valid():
        return _merge(request, incident, form.cleaned_data["sources"], form.cleaned_data["comment"])
    return show_question(request, {"incident": incident, "form": form}, "actions/_merge.html")


@responders_only
@require_POST
def merge_chosen(request: SignedInRequest) -> HttpResponse:
    """Ask into which of the selected incidents the others are merged, or merge them."""
    pks = [int(pk) for pk in request.POST.getlist("incident") if pk.isdecimal()][: INCIDENTS_LIMIT + 1]
    chosen = list(Incident.objects.changeable_by(request.user).filter(pk__in=pks).order_by("pk"))
    if not 2 <= len(chosen) <= INCIDENTS_LIMIT:
        messages.error(request, f"Select 2 to {INCIDENTS_LIMIT} incidents to merge.")
        return _leave(request, return_url(request, "/"))
    form = MergeChosenForm(request.POST if "into" in request.POST else None, chosen=chosen)
    if form.is_valid():
        into = form.cleaned_data["into"]
        return _merge(request, into, [each for each in chosen if each != into], form.cleaned_data["comment"])
    return show_question(request, {"form": form, "incidents": chosen}, "actions/_merge_chosen.html")


def _merge(request: SignedInRequest, into: Incident, sources: list[Incident], comment: str) -> HttpResponse:
    merge = Merge(comment=comment, into=into.pk, sources=tuple(each.pk for each in sources))
    count = into.alerts_count + sum(each.alerts_count for each in sources)
    done = f"Merged {incidents_counted(len(sources))} into #{into.pk}"
    return _perform(request, merge, done, is_large=count > LARGE, otherwise=into.get_absolute_url())


@responders_only
@require_http_methods(["GET", "HEAD", "POST"])
def split(request: SignedInRequest, pk: int) -> HttpResponse:
    """Ask which alerts to take out and where they go, or move them.

    The question comes by POST too, because more alerts can be chosen than an address can hold.
    """
    incident = get_object_or_404(Incident.objects.changeable_by(request.user), pk=pk)
    sent = (request.POST if request.method == "POST" else request.GET).copy()
    is_searched = "find" in sent
    if is_searched:
        sent[f"{AlertFilter.prefix}q"] = str(sent["find"])
    is_said = "how" in request.POST and not is_searched
    found = AlertFilter(sent, incident)
    tags = [] if is_searched and request.htmx else _tags_that_differ(incident)
    form = SplitForm(sent if is_said else None, tags=tags, among=Incident.objects.changeable_by(request.user))
    if is_said and form.is_valid():
        said = form.cleaned_data
        with time_limit.limited():
            chosen = {*said["alerts"], *(found.qs.values_list("pk", flat=True) if said["all"] else ())}
        return _split(request, incident, {**said, "alerts": sorted(chosen)})
    picked = {int(pk) for pk in sent.getlist("alerts") if pk.isdecimal() and len(pk) < 19}
    try:
        with time_limit.limited():
            alerts, found_count = _offered(picked, incident, found), found.qs.count() if found.is_narrowed else 0
    except SearchStopped as stopped:
        found.stop(stopped)
        alerts, found_count = _offered(picked, incident, found), 0
    context = {
        "incident": incident,
        "form": form,
        "found": found,
        "found_count": found_count,
        "alerts": alerts,
        "more": incident.alerts_count - len(alerts),
        "picked": picked,
        "all": "all" in sent and not is_searched,
    }
    if is_searched and request.htmx:
        return render(request, "actions/_split_alerts.html", context)
    return show_question(request, context, "actions/_split.html")


def _offered(picked: set[int], incident: Incident, found: AlertFilter) -> list[Alert]:
    """Return the alerts that were picked before, then the worst alerts that the search finds."""
    chosen = incident.alerts.filter(pk__in=picked).order_by("-status", "-changed_at", "-pk")
    return [
        *chosen.select_related("app_key"),
        *found.qs.exclude(pk__in=picked).select_related("app_key")[:OFFERED_ALERTS],
    ]


def _split(request: SignedInRequest, incident: Incident, said: dict[str, Any]) -> HttpResponse:
    comment, pk, alerts = said["comment"], incident.pk, tuple(said["alerts"])
    grouping: Grouping
    if said["how"] == "tag":
        grouping = SplitByTag(comment=comment, incident=pk, tag=said["tag"])
        done = f"Split by {grouping.tag}"
    elif said["how"] == "other":
        grouping = Move(comment=comment, incident=pk, alerts=alerts, to=said["to"][0].pk)
        done = f"Moved {alerts_counted(len(alerts))} to #{grouping.to}"
    else:
        grouping = Split(comment=comment, incident=pk, alerts=alerts)
        done = f"Split {alerts_counted(len(alerts))} off"
    is_large = incident.alerts_count > LARGE
    return _perform(request, grouping, done, is_large=is_large, otherwise=incident.get_absolute_url())


def _perform(
    request: SignedInRequest, grouping: Grouping, done: str, *, is_large: bool, otherwise: str
) -> HttpResponse:
    """Perform a grouping, in the background where it is large."""
    if is_large:
        tasks.run_bulk.delay(start_grouping(grouping, by=request.user).pk)
    else:
        attempt(request, done, lambda: grouping.perform(by=request.user))
    return _leave(request, return_url(request, otherwise))


def _leave(request: SignedInRequest, url: str) -> HttpResponse:
    """Load the page again, because a grouping changes the feed and the pane."""
    return HttpResponseClientRedirect(url) if request.htmx else redirect(url)


def _tags_that_differ(incident: Incident) -> list[tuple[str, str]]:
    """Return the tags that distinguish the alerts, with a label each, and the tags with the fewest values first.

    A tag with more values than one split may make is left out.
    """
    values: dict[str, set[str]] = defaultdict(set)
    having: Counter[str] = Counter()
    for tags in incident.alerts.values_list("tags", flat=True).iterator():
        having.update(tags.keys())
        for name, value in tags.items():
            if len(values[name]) <= SPLIT_LIMIT + 1:
                values[name].add(shown(value))
    counts = {name: (len(found), having[name] < incident.alerts_count) for name, found in values.items()}
    several = {name: count for name, count in counts.items() if sum(count) > 1 and count[0] <= SPLIT_LIMIT + 1}
    return [
        (name, f"{name}: {count} value{'' if count == 1 else 's'}{', and alerts without it' if some_lack else ''}")
        for name, (count, some_lack) in sorted(several.items(), key=lambda tag: (tag[1], tag[0]))
    ]
