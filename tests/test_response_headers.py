"""Headers of pages, fragments, exports and the API, the cookies, and the reports of the Content Security Policy."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as console_settings
from django.test import Client

from bigpanda_site import csp_reports
from people.models import ApiKey, User

CODE = Path(__file__).resolve().parent.parent


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/?folder=resolved",
        "/me",
        "/audit",
        "/audit.csv",
        "/audit.json",
        "/people",
        "/api/openapi.json",
        "/nothing",
    ],
)
def test_nothing_that_needs_a_sign_in_is_kept_by_a_cache(client: Client, admin: User, path: str) -> None:
    assert "no-store" in Client().get(path).headers["Cache-Control"]
    client.force_login(admin)
    for headers in ({}, {"HX-Request": "true", "HX-Target": "feed"}):
        reply = client.get(path, headers=headers)
        assert "no-store" in reply.headers["Cache-Control"]
        assert "camera=()" in reply.headers["Permissions-Policy"]
        assert reply.headers["Referrer-Policy"] == "same-origin"


def test_answers_of_the_api_are_not_kept_and_static_files_are(client: Client, admin: User) -> None:
    _, secret = ApiKey.issue(admin, name="Mine", expires_at=None)
    bearer = {"Authorization": f"Bearer {secret}"}
    assert "no-store" in client.get("/audit-logs", headers=bearer).headers["Cache-Control"]
    static = client.get("/static/css/console.css")
    static.close()
    assert "max-age=60" in static.headers["Cache-Control"]


def settings_of(tmp_path: Path, **environment: str) -> dict[str, Any]:
    """Return some settings of a console of its own."""
    names = ("SESSION_COOKIE_NAME", "CSRF_COOKIE_NAME", "SECURE_HSTS_PRELOAD", "SECURE_HSTS_INCLUDE_SUBDOMAINS")
    program = f"import json; from bigpanda_site import settings as s; print(json.dumps({{n: getattr(s, n) for n in {names}}}))"
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CONSOLE_")}
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=CODE,
        env={**kept, "CONSOLE_DATA": str(tmp_path), **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.any_database
def test_two_consoles_on_one_host_do_not_sign_each_other_out(tmp_path: Path) -> None:
    one, other = settings_of(tmp_path / "one"), settings_of(tmp_path / "other")
    secure = settings_of(tmp_path / "one", CONSOLE_HTTPS="1")
    for cookie in ("SESSION_COOKIE_NAME", "CSRF_COOKIE_NAME"):
        assert one[cookie] != other[cookie]
        assert secure[cookie] == f"__Host-{one[cookie]}"
    assert (secure["SECURE_HSTS_PRELOAD"], secure["SECURE_HSTS_INCLUDE_SUBDOMAINS"]) == (False, False)
    preloaded = settings_of(tmp_path / "one", CONSOLE_HTTPS="1", CONSOLE_HSTS_PRELOAD="1")
    assert (preloaded["SECURE_HSTS_PRELOAD"], preloaded["SECURE_HSTS_INCLUDE_SUBDOMAINS"]) == (True, True)


def test_what_the_policy_kept_from_loading_is_logged_a_bounded_number_of_times(
    client: Client, db: None, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(csp_reports._Lines, "number", 0)
    policy = client.get("/login").headers["Content-Security-Policy"]
    assert "report-uri /csp-reports" in policy
    older = {
        "csp-report": {
            "blocked-uri": "https://evil.example/x.js\nFAKE",
            "document-uri": "http://testserver/?token=secret",
        }
    }
    newer = [{"type": "csp-violation", "body": {"blockedURL": "inline", "effectiveDirective": "script-src-elem"}}]
    for body, kind in ((older, "application/csp-report"), (newer, "application/reports+json")):
        assert client.post("/csp-reports", json.dumps(body), content_type=kind).status_code == 204
    assert "'blocked-uri': 'https://evil.example/x.js\\nFAKE'" in caplog.text
    assert "script-src-elem" in caplog.text
    assert "secret" not in caplog.text
    for sent in ("", "[", "[1]", '{"csp-report": 3}', "[" * 10_000, '"x"', "x" * 20_000, *[json.dumps(newer)] * 40):
        assert client.post("/csp-reports", sent, content_type="application/reports+json").status_code == 204
    assert caplog.text.count("Content Security Policy") <= 2 * csp_reports.LINES_PER_MINUTE  # a minute may begin


def test_the_cookie_of_a_session_is_of_this_console_only(client: Client, viewer: User) -> None:
    client.force_login(viewer)
    assert console_settings.SESSION_COOKIE_NAME in client.cookies
    assert console_settings.SESSION_COOKIE_NAME.startswith("session-")
