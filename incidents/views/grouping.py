"""Merging incidents, and taking alerts out of one, by hand."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST
from django_htmx.http import HttpResponseClientRedirect, retarget

from alerts.events import shown
from alerts.models import Alert
from incidents import actions
from incidents.actions import InvalidTransition, tasks
from incidents.actions.bulk import LARGE, start_grouping
from incidents.actions.grouping import SPLIT_LIMIT
from incidents.actions.grouping_forms import INCIDENTS_LIMIT, MergeChosenForm, MergeForm, SplitForm
from incidents.detail.alert_filter import AlertFilter
from incidents.models import Activity, Incident
from incidents.views.actions import tell_done, there
from people.access import SignedInRequest, responders_only

CANDIDATES = 12  # other incidents that are offered
OFFERED_ALERTS = 100  # of those that are not picked


@responders_only
@require_http_methods(["GET", "HEAD", "POST"])
def merge(request: SignedInRequest, pk: int) -> HttpResponse:
    """Which other incidents to merge into this one."""
    incident = get_object_or_404(Incident.objects.changeable_by(request.user), pk=pk)
    among = Incident.objects.changeable_by(request.user)
    candidates = list(among.open().exclude(pk=pk).order_by("-changed_at")[:CANDIDATES])
    form = MergeForm(request.POST if request.method == "POST" else None, candidates=candidates, among=among)
    if request.method == "POST" and form.is_valid():
        return _merge(request, incident, form.cleaned_data["sources"], form.cleaned_data["comment"])
    return _ask(request, "actions/_merge.html", {"incident": incident, "form": form})


@responders_only
@require_POST
def merge_chosen(request: SignedInRequest) -> HttpResponse:
    """Into which of the selected incidents the others are merged: asked first, then done."""
    pks = [int(pk) for pk in request.POST.getlist("incident") if pk.isdecimal()][: INCIDENTS_LIMIT + 1]
    chosen = list(Incident.objects.changeable_by(request.user).filter(pk__in=pks).order_by("pk"))
    if not 2 <= len(chosen) <= INCIDENTS_LIMIT:
        messages.error(request, f"Select 2 to {INCIDENTS_LIMIT} incidents to merge.")
        return _leave(request, there(request, "/"))
    form = MergeChosenForm(request.POST if "into" in request.POST else None, chosen=chosen)
    if form.is_valid():
        into = form.cleaned_data["into"]
        return _merge(request, into, [each for each in chosen if each != into], form.cleaned_data["comment"])
    return _ask(request, "actions/_merge_chosen.html", {"form": form, "incidents": chosen})


def _merge(request: SignedInRequest, into: Incident, sources: list[Incident], comment: str) -> HttpResponse:
    count = into.alerts_count + sum(each.alerts_count for each in sources)
    arguments = {"into": into.pk, "comment": comment}
    word = "1 incident" if len(sources) == 1 else f"{len(sources)} incidents"
    return _group(
        request,
        lambda: actions.merge(into, sources, by=request.user, comment=comment),
        done=f"Merged {word} into #{into.pk}.",
        later=("merge", arguments, [each.pk for each in sources]) if count > LARGE else None,
        otherwise=into.get_absolute_url(),
    )


@responders_only
@require_http_methods(["GET", "HEAD", "POST"])
def split(request: SignedInRequest, pk: int) -> HttpResponse:
    """Which alerts to take out, chosen or all that a search finds, and where to. Asked by POST, too: more may be chosen than an address holds."""
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
        chosen = {*said["alerts"], *(found.qs.values_list("pk", flat=True) if said["all"] else ())}
        return _split(request, incident, {**said, "alerts": sorted(chosen)})
    picked = {int(pk) for pk in sent.getlist("alerts") if pk.isdecimal() and len(pk) < 19}
    alerts = _offered(picked, incident, found)
    context = {
        "incident": incident,
        "form": form,
        "found": found,
        "found_count": found.qs.count() if found.is_narrowed else 0,
        "alerts": alerts,
        "more": incident.alerts_count - len(alerts),
        "picked": picked,
        "all": "all" in sent and not is_searched,
    }
    if is_searched and request.htmx:
        return render(request, "actions/_split_alerts.html", context)
    return _ask(request, "actions/_split.html", context)


def _offered(picked: set[int], incident: Incident, found: AlertFilter) -> list[Alert]:
    """Those that were picked before first, then the worst that the search finds."""
    chosen = incident.alerts.filter(pk__in=picked).order_by("-status", "-changed_at", "-pk")
    return [
        *chosen.select_related("app_key"),
        *found.qs.exclude(pk__in=picked).select_related("app_key")[:OFFERED_ALERTS],
    ]


def _split(request: SignedInRequest, incident: Incident, said: dict[str, Any]) -> HttpResponse:
    comment, alerts, by = said["comment"], said["alerts"], request.user
    word = "1 alert" if len(alerts) == 1 else f"{len(alerts)} alerts"
    how: tuple[Callable[[], Activity], str, str, dict[str, Any]]
    if said["how"] == "tag":
        tag = said["tag"]
        split_now = lambda: actions.split_by_tag(incident, tag, by=by, comment=comment)  # noqa: E731
        how = split_now, f"Split by {tag}.", "split_by_tag", {"tag": tag}
    elif said["how"] == "other":
        to = said["to"][0]
        move_now = lambda: actions.move(incident, alerts, to=to, by=by, comment=comment)  # noqa: E731
        how = move_now, f"Moved {word} to #{to.pk}.", "move", {"alerts": alerts, "to": to.pk}
    else:
        take_out = lambda: actions.split(incident, alerts, by=by, comment=comment)  # noqa: E731
        how = take_out, f"Split {word} off.", "split", {"alerts": alerts}
    do, done, what, arguments = how
    later = (what, {**arguments, "comment": comment}, [incident.pk]) if incident.alerts_count > LARGE else None
    return _group(request, do, done=done, later=later, otherwise=incident.get_absolute_url())


def _group(
    request: SignedInRequest,
    do: Callable[[], Activity],
    *,
    done: str,
    later: tuple[str, dict[str, Any], list[int]] | None,
    otherwise: str,
) -> HttpResponse:
    """Do it now, or in the background where it is large."""
    if later:
        tasks.run_bulk.delay(start_grouping(*later, by=request.user).pk)
    else:
        try:
            tell_done(request, done, do())
        except InvalidTransition as refusal:
            messages.error(request, str(refusal))
    return _leave(request, there(request, otherwise))


def _leave(request: SignedInRequest, url: str) -> HttpResponse:
    """Who was grouped changed in the feed and in the pane: show both anew."""
    return HttpResponseClientRedirect(url) if request.htmx else redirect(url)


def _ask(request: SignedInRequest, partial: str, context: dict[str, Any]) -> HttpResponse:
    incident = context.get("incident")
    context |= {"next": there(request, incident.get_absolute_url() if incident else "/"), "partial": partial}
    if request.htmx:
        return retarget(render(request, partial, context), "#dialog")
    return render(request, "components/confirm.html", context)


def _tags_that_differ(incident: Incident) -> list[tuple[str, str]]:
    """Tags that tell its alerts apart, in words, those with the fewest values first; more than one split may make are too many."""
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
