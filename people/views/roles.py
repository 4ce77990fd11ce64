"""Pages of roles: the three built-in ones and customised copies."""

from __future__ import annotations

from django.contrib import messages
from django.db.models import Count
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from people import staffing
from people.access import SignedInRequest, may_change, may_see
from people.confirmation import confirmed
from people.forms import RoleForm, choices
from people.models import Area, BuiltIn, Role


@may_see(Area.PEOPLE)
@require_safe
def roles(request: SignedInRequest) -> HttpResponse:
    everyone = Role.objects.in_order().annotate(people_count=Count("people"))
    rows = [
        (role, [dict(choices(area)).get(level, level.label) for area, level in role.levels.items()])
        for role in everyone
    ]
    return render(request, "people/roles.html", {"rows": rows, "areas": list(Area)})


@may_change(Area.PEOPLE)
@require_http_methods(["GET", "HEAD", "POST"])
@confirmed
def new(request: SignedInRequest) -> HttpResponse:
    """Start a copy of another role, by default of Viewer."""
    copied = Role.objects.filter(pk=_number(request.GET.get("copy"))).first() or Role.objects.built_in(BuiltIn.VIEWER)
    role = Role(permissions={str(area): str(level) for area, level in copied.levels.items()})
    if request.method == "POST":
        form = RoleForm(request.POST, instance=role)
        if form.is_valid() and form.keep(by=request.user):
            messages.success(request, f"The role {role.name} is made. Give it to people on their pages.")
            return redirect("people:roles")
    else:
        form = RoleForm(instance=role, initial={"name": f"{copied.name} (copy)", "description": copied.description})
    return render(request, "people/role.html", {"form": form, "copied": copied})


@may_change(Area.PEOPLE)
@require_http_methods(["GET", "HEAD", "POST"])
@confirmed
def role(request: SignedInRequest, pk: int) -> HttpResponse:
    edited = get_object_or_404(Role, pk=pk, built_in=None)
    form = RoleForm(request.POST if request.method == "POST" else None, instance=edited)
    if request.method == "POST" and form.is_valid() and form.keep(by=request.user):
        messages.success(request, f"The role {edited.name} is changed, for everybody who has it.")
        return redirect("people:roles")
    return render(request, "people/role.html", {"form": form, "role": Role.objects.get(pk=pk)})


@may_change(Area.PEOPLE)
@require_POST
@confirmed
def delete(request: SignedInRequest, pk: int) -> HttpResponse:
    deleted = get_object_or_404(Role, pk=pk)
    try:
        staffing.delete_role(deleted, by=request.user)
    except staffing.NotAllowed as refusal:
        messages.error(request, str(refusal))
    else:
        messages.success(request, f"The role {deleted.name} is deleted. The audit log keeps what it allowed.")
    return redirect("people:roles")


def _number(text: str | None) -> int:
    return int(text) if text and text.isdecimal() and len(text) < 19 else 0
