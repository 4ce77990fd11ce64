"""The widths of the panes, stored with the person."""

from __future__ import annotations

from django.http import HttpResponse
from django.views.decorators.http import require_POST

from people.access import SignedInRequest

# The name of each pane on the page and in `User.pane_widths`. The stored names are those of the first release.
PANES = {"sidebar": "rail", "incident": "incident"}


@require_POST
def remember(request: SignedInRequest) -> HttpResponse:
    """Store the widths, in pixels by pane. A value that is no number changes nothing."""
    given = {stored: request.POST.get(pane, "") for pane, stored in PANES.items()}
    request.user.pane_widths |= {
        name: int(width) for name, width in given.items() if width.isdecimal() and len(width) < 5
    }
    request.user.save(update_fields=["pane_widths"])
    return HttpResponse(status=204)
