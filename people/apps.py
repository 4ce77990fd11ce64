from __future__ import annotations

from typing import Any

from django.apps import AppConfig
from django.apps import apps as all_apps
from django.contrib.auth.signals import user_logged_in
from django.db.models.signals import post_migrate


class PeopleConfig(AppConfig):
    name = "people"

    def ready(self) -> None:
        from people import sessions

        post_migrate.connect(install_built_in_roles, sender=self)
        user_logged_in.connect(sessions.note_password)


def install_built_in_roles(*, using: str, apps: Any = all_apps, **_: Any) -> None:
    """Create the built-in roles. They are part of the program, so they exist after every migration and after a flush of the database."""
    from people.models import BuiltIn

    try:
        roles = apps.get_model("people", "Role")._default_manager.using(using)
    except LookupError:  # a migration back to a schema without roles
        return
    for which in BuiltIn:
        roles.get_or_create(built_in=which.value, defaults={"name": which.label})
