"""Questions, progress and results of one action on many incidents."""

from __future__ import annotations

from django.contrib import messages
from django.db.models import QuerySet
from django.http import Http404, HttpResponse, HttpResponseBase, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe
from django_htmx.http import HttpResponseClientRedirect, reswap, retarget, trigger_client_event

from bpql import SearchStopped
from db import outage, time_limit
from incidents.actions import InvalidTransition, Merge, bulk, tasks
from incidents.actions.action import Action
from incidents.actions.forms import ActionForm
from incidents.feed.filters import IncidentFilter
from incidents.models import BulkAction, Incident, access
from incidents.models.incident import IncidentQuerySet
from incidents.views.actions import IMMEDIATE_LIMIT, action_or_404, begin_undo, return_url, show_question, site_of
from incidents.views.grouping import merge_chosen
from people.access import SignedInRequest, responders_only

SHOWN_SKIPPED = 20  # incidents of each reason
NAMED = 5  # incidents; a question about more names only counts


@responders_only
@require_POST
def ask(request: SignedInRequest) -> HttpResponseBase:
    """Freeze the selected incidents, or all that match the view, and ask about the action on them."""
    what = request.POST.get("what", "")
    if what == Merge.name:
        return merge_chosen(request)
    action = action_or_404(what)
    try:
        with time_limit.limited():
            drafted = bulk.draft(action.name, _chosen(request), by=request.user, matching=_matching(request))
    except (InvalidTransition, SearchStopped) as refusal:
        messages.error(request, str(refusal))
        return _leave(request)
    return _ask(request, action, drafted, action.form(user=request.user))


@responders_only
@require_POST
def start(request: SignedInRequest, pk: int) -> HttpResponse:
    drafted = get_object_or_404(BulkAction, pk=pk, by=request.user)
    action = action_or_404(drafted.what)
    form = action.form(request.POST, user=request.user, site=site_of(request))
    if not form.is_valid():
        return _ask(request, action, drafted, form)
    try:
        bulk.start(drafted, action.from_form(form))
        if drafted.total > IMMEDIATE_LIMIT:
            tasks.run_bulk.delay(drafted.pk)
        else:
            bulk.run(drafted.pk)
    except InvalidTransition as refusal:
        messages.error(request, str(refusal))
        return _leave(request)
    if not request.htmx:
        return _leave(request)
    return trigger_client_event(
        reswap(retarget(_show_card(request, drafted), "#toasts"), "beforeend"), "console:begun", after="settle"
    )


@responders_only
@require_POST
def undo(request: SignedInRequest, pk: int) -> HttpResponse:
    done = _seen(request, pk)
    try:
        begin_undo(done, by=request.user)
    except InvalidTransition as refusal:
        messages.error(request, str(refusal))
        return _leave(request, done.get_absolute_url())
    if request.htmx:
        return trigger_client_event(_show_card(request, done), "console:begun", after="settle")
    return _leave(request, done.get_absolute_url())


@require_safe
def detail(request: SignedInRequest, pk: int) -> HttpResponse:
    """Show the progress and the result of a bulk action. htmx receives the changing part alone."""
    shown = _seen(request, pk)
    visible = Incident.objects.visible_to(request.user)
    context = {"bulk": shown, "skipped": _reasons(shown.skipped, visible), "kept": _reasons(shown.kept, visible)}
    if not shown.is_at_work and shown.by == request.user:
        unread = BulkAction.objects.filter(pk=pk, announced_at=None)
        outage.try_to_note("that a person has seen a result", lambda: unread.update(announced_at=timezone.now()))
    return render(request, "actions/_bulk.html" if request.htmx else "actions/bulk.html", context)


@require_safe
def card(request: SignedInRequest, pk: int) -> HttpResponse:
    """Show the progress in the corner of any page."""
    shown = get_object_or_404(BulkAction, pk=pk, by=request.user)
    return render(request, "actions/_bulk_card.html", {"bulk": shown})


@require_POST
def dismiss(request: SignedInRequest, pk: int) -> HttpResponse:
    """Note that the user has read the result."""
    BulkAction.objects.filter(pk=pk, by=request.user).update(announced_at=timezone.now())
    return HttpResponse() if request.htmx else _leave(request)


def _chosen(request: SignedInRequest) -> QuerySet[Incident]:
    if request.POST.get("all"):
        matching = IncidentFilter(QueryDict(_matching(request)), request.user).qs
        return matching & Incident.objects.changeable_by(request.user)
    pks = [int(pk) for pk in request.POST.getlist("incident") if pk.isdecimal() and len(pk) < 19]
    return Incident.objects.changeable_by(request.user).filter(pk__in=pks)


def _matching(request: SignedInRequest) -> str:
    return request.POST.get("matching", "").removeprefix("?") if request.POST.get("all") else ""


def _ask(request: SignedInRequest, action: type[Action], drafted: BulkAction, form: ActionForm) -> HttpResponse:
    is_few = drafted.total <= NAMED and not drafted.matching
    context = {
        "action": action,
        "bulk": drafted,
        "form": form,
        "question": action.question_about(drafted.total),
        "warning": action.bulk_warning(drafted),
        "named": Incident.objects.visible_to(request.user).filter(pk__in=drafted.snapshot) if is_few else (),
    }
    return show_question(request, context, "actions/_ask_bulk.html")


def _leave(request: SignedInRequest, otherwise: str = "/") -> HttpResponse:
    """Redirect to the view in which the action was taken."""
    url = return_url(request, otherwise)
    return HttpResponseClientRedirect(url) if request.htmx else redirect(url)


def _show_card(request: SignedInRequest, bulk_action: BulkAction) -> HttpResponse:
    """Show the result in the corner of the feed, which stays as it is.

    A complete result is not announced a second time.
    """
    bulk_action.refresh_from_db()
    if not bulk_action.is_at_work and not bulk_action.skipped and not bulk_action.kept:
        bulk_action.announced_at = timezone.now()
        bulk_action.save(update_fields=["announced_at"])
    return render(request, "actions/_bulk_card.html", {"bulk": bulk_action})


def _seen(request: SignedInRequest, pk: int) -> BulkAction:
    found = get_object_or_404(BulkAction.objects.select_related("by", "undone_by"), pk=pk)
    if not bulk.may_see(found, request.user):
        raise Http404("There is no such bulk action, or it has incidents that are not for your role.")
    return found


def _reasons(reasons: dict[str, list[int]], visible: IncidentQuerySet) -> list[tuple[str, int, list[Incident]]]:
    """Return each reason with its incidents. A reason can name an incident, so it is for those who see one of its own."""
    shown = [
        (reason, len(pks), list(visible.filter(pk__in=pks[:SHOWN_SKIPPED]).order_by("pk")))
        for reason, pks in reasons.items()
    ]
    return [(reason if seen else access.NOT_SEEN, count, seen) for reason, count, seen in shown]
