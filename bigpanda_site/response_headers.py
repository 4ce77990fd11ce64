"""Headers of every response that is not a static file."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponseBase

# Nothing of a page stays on the disk of a shared workstation.
NOT_KEPT = "no-store"
# Features of browsers that no page of the console uses.
UNUSED = (
    *("accelerometer", "autoplay", "camera", "display-capture", "encrypted-media", "geolocation", "gyroscope", "hid"),
    *("magnetometer", "microphone", "midi", "payment", "publickey-credentials-create", "publickey-credentials-get"),
    *("screen-wake-lock", "serial", "usb", "xr-spatial-tracking"),
)
PERMISSIONS = ", ".join(f"{feature}=()" for feature in UNUSED)


def add_headers(get_response: Callable[[HttpRequest], HttpResponseBase]) -> Callable[[HttpRequest], HttpResponseBase]:
    """Middleware that keeps responses out of caches, turns features of browsers off, and names the address of reports."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        response = get_response(request)
        response.headers.setdefault("Cache-Control", NOT_KEPT)
        response.headers["Permissions-Policy"] = PERMISSIONS
        response.headers["Reporting-Endpoints"] = 'csp="/csp-reports"'
        return response

    return middleware
