"""Passwords that are guessed first are refused."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError

from people.models import User


@pytest.mark.any_database
@pytest.mark.parametrize(
    "password",
    [
        *(
            "Sommer2026!",
            "Summer-2026-Winter",
            "5ommer2026!!",
            "Frühling2026",
            "Oktober_2026",
            "November!2026",
            "mai2026mai2026",
        ),
        *("Example2026!!", "example-console-1", "IncidentConsole1", "Welcome2026!!", "P4$$wort2026", "Admin-Admin-99"),
        *("Verarubin1928!", "2026-11-24-00", "abababababab", "MonitoringNOC1"),
    ],
)
def test_a_password_of_obvious_words_is_refused(password: str, settings: Any) -> None:
    settings.ALLOWED_HOSTS = ["console.example.com"]
    with pytest.raises(ValidationError) as refused:
        validate_password(password, User(username="vera", last_name="Rubin"))
    assert "among the first that somebody would try" in " ".join(refused.value.messages)


@pytest.mark.any_database
@pytest.mark.parametrize(
    "password",
    ["correct horse battery", "Sommernachtsfahrrad", "winter keys under stone", "k7Qp-2mZx-9fLw", "дождь и туман"],
)
def test_other_passwords_are_not(password: str) -> None:
    validate_password(password, User(username="vera"))
