"""Downloads of the wrappers for machines that send. They need no sign-in, because they hold no secret, and contain this console's address."""

from __future__ import annotations

import io
import tarfile

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

WRAPPERS = settings.BASE_DIR / "wrappers"
SCRIPTS = {"bigpanda-alert": "text/x-shellscript", "bigpanda.py": "text/x-python"}
ARCHIVE = "bigpanda-3.0.tar.gz"  # what `pip install` takes
ANY_CONSOLE = "http://localhost:8000"


@login_not_required
@require_safe
def wrapper(request: HttpRequest, name: str) -> HttpResponse:
    here = request.build_absolute_uri("/").rstrip("/")
    if name == ARCHIVE:
        content, kind = _archive(here), "application/gzip"
    elif name in SCRIPTS:
        content, kind = _script(name, here), f"{SCRIPTS[name]}; charset=utf-8"
    else:
        raise Http404
    return HttpResponse(content, content_type=kind, headers={"Content-Disposition": f'attachment; filename="{name}"'})


def _script(name: str, here: str) -> bytes:
    return (WRAPPERS / name).read_text("utf-8").replace(ANY_CONSOLE, here).encode()


def _archive(here: str) -> bytes:
    files = {"bigpanda.py": _script("bigpanda.py", here), "pyproject.toml": (WRAPPERS / "pyproject.toml").read_bytes()}
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(f"{ARCHIVE.removesuffix('.tar.gz')}/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return packed.getvalue()
