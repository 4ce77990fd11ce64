"""What a person does with one incident. Each action has a question of its own, as a dialog where there are scripts, else as a page."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_http_methods, require_POST
from django_htmx.http import retarget

from incidents import actions
from incidents.actions import InvalidTransition, bulk, tasks
from incidents.actions.forms import FORMS, ActionForm, CommentForm
from incidents.models import Activity, BulkAction, Incident
from incidents.views.incident import PEOPLE, answer, incident_context
from people.access import SignedInRequest, responders_only

AT_ONCE = 200  # incidents that nobody has to wait for


@responders_only
@require_http_methods(["GET", "HEAD", "POST"])
def act(request: SignedInRequest, pk: int, name: str) -> HttpResponse:
    """Ask what the action needs, and say what will happen; then do it."""
    incident = get_object_or_404(Incident.objects.changeable_by(request.user), pk=pk)
    form = FORMS[name](request.POST if request.method == "POST" else None, user=request.user, site=site_of(request))
    if request.method == "POST" and form.is_valid():
        try:
            activity = actions.perform(form.action(), incident, by=request.user)
            tell_done(request, f"{form.done}.", activity)
        except InvalidTransition as refusal:
            messages.error(request, str(refusal))
        return redirect(there(request, incident.get_absolute_url()))
    return ask(request, form, name, incident)


def ask(request: SignedInRequest, form: ActionForm, name: str, incident: Incident) -> HttpResponse:
    context = {"incident": incident, "form": form, "name": name, "next": there(request, incident.get_absolute_url())}
    if name == "tag":
        context["tag_values"] = incident.tag_values.select_related("tag")
    if request.htmx:
        return retarget(render(request, "actions/_ask.html", context), "#dialog")
    return render(request, "actions/ask.html", context)


@responders_only
@require_POST
def comment(request: SignedInRequest, pk: int) -> HttpResponse:
    incident = get_object_or_404(
        Incident.objects.changeable_by(request.user)
        .select_related(*PEOPLE, "follows")
        .prefetch_related("tag_values__tag"),
        pk=pk,
    )
    form = CommentForm(request.POST, user=request.user)
    if not form.is_valid():
        return answer(request, {**incident_context(request, incident, "activity"), "comment_form": form})
    try:
        tell_done(request, "Commented.", actions.perform(form.action(), incident, by=request.user))
    except InvalidTransition as refusal:
        messages.error(request, str(refusal))
    return redirect(there(request, incident.get_absolute_url()))


@responders_only
@require_http_methods(["GET", "HEAD", "POST"])
def edit_comment(request: SignedInRequest, pk: int, activity: int) -> HttpResponse:
    incident = get_object_or_404(Incident.objects.changeable_by(request.user), pk=pk)
    written = get_object_or_404(incident.activities, pk=activity, kind=Activity.Kind.COMMENTED)
    form = CommentForm(request.POST if request.method == "POST" else {"comment": written.comment}, user=request.user)
    if request.method == "POST" and form.is_valid():
        try:
            text = form.cleaned_data["comment"]
            tell_done(request, "Comment changed.", actions.edit_comment(written, by=request.user, text=text))
        except InvalidTransition as refusal:
            messages.error(request, str(refusal))
        return redirect(there(request, incident.get_absolute_url()))
    context: dict[str, Any] = {"incident": incident, "form": form, "written": written, "name": "edit"}
    context["next"] = there(request, incident.get_absolute_url())
    if request.htmx:
        return retarget(render(request, "actions/_ask.html", context), "#dialog")
    return render(request, "actions/ask.html", context)


@responders_only
@require_POST
def delete_comment(request: SignedInRequest, pk: int, activity: int) -> HttpResponse:
    incident = get_object_or_404(Incident.objects.changeable_by(request.user), pk=pk)
    written = get_object_or_404(incident.activities, pk=activity, kind=Activity.Kind.COMMENTED)
    try:
        tell_done(request, "Comment deleted.", actions.delete_comment(written, by=request.user))
    except InvalidTransition as refusal:
        messages.error(request, str(refusal))
    return redirect(there(request, incident.get_absolute_url()))


@responders_only
@require_POST
def undo(request: SignedInRequest, pk: int) -> HttpResponse:
    """Take one action back, from the toast or from the history."""
    incident = get_object_or_404(Incident.objects.changeable_by(request.user), pk=pk)
    activity = get_object_or_404(Activity, incident=incident, pk=request.POST.get("activity") or 0)
    try:
        if activity.bulk and activity.bulk.what not in bulk.ACTIONS:
            begin_undo(activity.bulk)  # a merge or a split that was too large to wait for
        else:
            actions.undo(activity, by=request.user)
            messages.success(request, f"Undone: {activity.get_kind_display()}.")
    except InvalidTransition as refusal:
        messages.error(request, str(refusal))
    return redirect(there(request, incident.get_absolute_url()))


@responders_only
@require_POST
def undo_last(request: SignedInRequest) -> HttpResponse:
    """Take back what this person did last; where that was done to many at once, all of it."""
    last = actions.last_of(request.user)
    try:
        if last is None:
            messages.info(request, "You have done nothing that can be undone.")
        elif last.bulk:
            begin_undo(last.bulk)
        else:
            actions.undo(last, by=request.user)
            messages.success(request, f"Undone: {_named(last)}.")
    except InvalidTransition as refusal:
        messages.error(request, f"{_named(last)}: {refusal}" if last else str(refusal))
    return redirect(there(request, "/"))


def _named(activity: Activity) -> str:
    return f"{activity.get_kind_display()} (#{activity.incident_id}, {activity.incident.title})"


def begin_undo(bulk_action: BulkAction) -> None:
    """In the background, where somebody would have to wait for it."""
    bulk.start_undo(bulk_action)
    if bulk_action.total > AT_ONCE or bulk_action.what not in bulk.ACTIONS:
        tasks.run_bulk.delay(bulk_action.pk)
    else:
        bulk.run(bulk_action.pk)


def tell_done(request: SignedInRequest, text: str, activity: Activity) -> None:
    """A toast that offers undo."""
    messages.success(request, text, extra_tags=f"undo-{activity.incident_id}-{activity.pk}")


def site_of(request: SignedInRequest) -> str:
    """The address under which the console is used."""
    return request.build_absolute_uri("/").rstrip("/")


def there(request: SignedInRequest, otherwise: str) -> str:
    """The view that the action was taken in: where the form says, else where the request came from."""
    wanted = request.POST.get("next") or request.GET.get("next") or request.headers.get("Referer", "")
    is_ours = url_has_allowed_host_and_scheme(
        wanted, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    return wanted if is_ours else otherwise
