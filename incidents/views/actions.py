"""The question of each action on one incident, and its answer.

With scripts the question is a dialog, otherwise a page.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_http_methods, require_POST
from django_htmx.http import retarget

from incidents import actions
from incidents.actions import Comment, InvalidTransition, bulk, tasks
from incidents.actions.action import Action, asked_action, text_of
from incidents.actions.comments import DeleteComment, EditComment
from incidents.actions.forms import ActionForm, CommentForm
from incidents.models import Activity, BulkAction, Incident
from incidents.views.incident import PEOPLE, answer, incident_context
from people.access import SignedInRequest, responders_only
from people.models import User

IMMEDIATE_LIMIT = 200  # incidents; a bulk action on more runs in the background


@responders_only
@require_http_methods(["GET", "HEAD", "POST"])
def act(request: SignedInRequest, pk: int, name: str) -> HttpResponse:
    """Ask what the action needs, or perform the action."""
    action = action_or_404(name)
    incident = get_object_or_404(Incident.objects.changeable_by(request.user), pk=pk)
    form = action.form(request.POST if request.method == "POST" else None, user=request.user, site=site_of(request))
    if request.method == "POST" and form.is_valid():
        attempt(request, action.done, lambda: action.from_form(form).perform(incident, by=request.user))
        return redirect(return_url(request, incident.get_absolute_url()))
    url = reverse("incidents:act", args=[pk, action.name])
    return _ask(request, action, incident, form, url)


def _ask(
    request: SignedInRequest, action: type[Action], incident: Incident, form: ActionForm, url: str
) -> HttpResponse:
    context: dict[str, Any] = {
        "action": action,
        "incident": incident,
        "form": form,
        "url": url,
        "question": action.question_about(),
        "warning": action.warning(incident),
        "present_state": action.present_state(incident),
    }
    return show_question(request, context, "actions/_ask.html", page="actions/ask.html")


@responders_only
@require_POST
def comment(request: SignedInRequest, pk: int) -> HttpResponse:
    """Write a comment from the form below the incident."""
    incident = get_object_or_404(
        Incident.objects.changeable_by(request.user)
        .select_related(*PEOPLE, "follows")
        .prefetch_related("tag_values__tag"),
        pk=pk,
    )
    form = CommentForm(request.POST, user=request.user)
    if not form.is_valid():
        return answer(request, {**incident_context(request, incident, "activity"), "comment_form": form})
    attempt(request, Comment.done, lambda: Comment.from_form(form).perform(incident, by=request.user))
    return redirect(return_url(request, incident.get_absolute_url()))


@responders_only
@require_http_methods(["GET", "HEAD", "POST"])
def edit_comment(request: SignedInRequest, pk: int, activity: int) -> HttpResponse:
    incident = get_object_or_404(Incident.objects.changeable_by(request.user), pk=pk)
    written = get_object_or_404(incident.activities, pk=activity, kind=Comment.kind)
    form = CommentForm(request.POST if request.method == "POST" else {"comment": written.comment}, user=request.user)
    if request.method == "POST" and form.is_valid():
        text = form.cleaned_data["comment"]
        attempt(request, EditComment.done, lambda: actions.edit_comment(written, by=request.user, text=text))
        return redirect(return_url(request, incident.get_absolute_url()))
    return _ask(request, EditComment, incident, form, reverse("incidents:comment_edit", args=[pk, activity]))


@responders_only
@require_POST
def delete_comment(request: SignedInRequest, pk: int, activity: int) -> HttpResponse:
    incident = get_object_or_404(Incident.objects.changeable_by(request.user), pk=pk)
    written = get_object_or_404(incident.activities, pk=activity, kind=Comment.kind)
    attempt(request, DeleteComment.done, lambda: actions.delete_comment(written, by=request.user))
    return redirect(return_url(request, incident.get_absolute_url()))


@responders_only
@require_POST
def undo(request: SignedInRequest, pk: int) -> HttpResponse:
    """Undo one action, from a message or from the history."""
    incident = get_object_or_404(Incident.objects.changeable_by(request.user), pk=pk)
    activity = get_object_or_404(Activity, incident=incident, pk=request.POST.get("activity") or 0)
    try:
        if activity.bulk and bulk.is_grouping(activity.bulk):
            begin_undo(activity.bulk, by=request.user)  # the grouping was too large to wait for
        else:
            actions.undo(activity, by=request.user)
            messages.success(request, f"Undone: {text_of(activity.kind).title}.")
    except InvalidTransition as refusal:
        messages.error(request, str(refusal))
    return redirect(return_url(request, incident.get_absolute_url()))


@responders_only
@require_POST
def undo_last(request: SignedInRequest) -> HttpResponse:
    """Undo the last action of the user. A bulk action is undone as a whole."""
    last = actions.last_of(request.user)
    try:
        if last is None:
            messages.info(request, "You have done nothing that can be undone.")
        elif last.bulk:
            begin_undo(last.bulk, by=request.user)
        else:
            actions.undo(last, by=request.user)
            messages.success(request, f"Undone: {_named(last)}.")
    except InvalidTransition as refusal:
        messages.error(request, f"{_named(last)}: {refusal}" if last else str(refusal))
    return redirect(return_url(request, "/"))


def _named(activity: Activity) -> str:
    return f"{text_of(activity.kind).title} (#{activity.incident_id}, {activity.incident.title})"


# --- what the views of actions, bulk actions and groupings share


def action_or_404(name: str) -> type[Action]:
    action = asked_action(name)
    if action is None:
        raise Http404(f"There is no action {name}.")
    return action


def attempt(request: SignedInRequest, done: str, perform: Callable[[], Activity]) -> None:
    """Perform an action, and leave a message: what was done, with undo, or why the incident refused."""
    try:
        activity = perform()
    except InvalidTransition as refusal:
        messages.error(request, str(refusal))
    else:
        messages.success(request, f"{done}.", extra_tags=f"undo-{activity.incident_id}-{activity.pk}")


def show_question(
    request: SignedInRequest, context: dict[str, Any], partial: str, *, page: str = "components/confirm.html"
) -> HttpResponse:
    """Answer with a question: alone for the dialog, otherwise on a page of its own."""
    incident = context.get("incident")
    context["next"] = return_url(request, incident.get_absolute_url() if incident else "/")
    if request.htmx:
        return retarget(render(request, partial, context), "#dialog")
    return render(request, page, {**context, "partial": partial})


def begin_undo(bulk_action: BulkAction, *, by: User) -> None:
    """Undo a bulk action, in the background where it takes long.

    Raises InvalidTransition where undo is not possible.
    """
    bulk.start_undo(bulk_action, by=by)
    if bulk_action.total > IMMEDIATE_LIMIT or bulk.is_grouping(bulk_action):
        tasks.run_bulk.delay(bulk_action.pk)
    else:
        bulk.run(bulk_action.pk)


def site_of(request: SignedInRequest) -> str:
    """Return the address under which the console is used."""
    return request.build_absolute_uri("/").rstrip("/")


def return_url(request: SignedInRequest, otherwise: str) -> str:
    """Return the address of the view in which the action was taken, as the form or the browser names it."""
    wanted = request.POST.get("next") or request.GET.get("next") or request.headers.get("Referer", "")
    is_ours = url_has_allowed_host_and_scheme(
        wanted, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    return wanted if is_ours else otherwise
