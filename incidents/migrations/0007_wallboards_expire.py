"""Links of wallboards expire."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import migrations, models
from django.utils import timezone


def begin(apps: Any, schema_editor: Any) -> None:
    """Give links that exist as much time as new ones get."""
    expires_at = timezone.now() + timedelta(days=settings.WALLBOARD_DAYS)
    apps.get_model("incidents", "Wallboard").objects.update(expires_at=expires_at)


class Migration(migrations.Migration):
    dependencies = [("incidents", "0006_deployments_of_limited_tokens")]
    operations = [
        migrations.AddField("wallboard", "expires_at", models.DateTimeField(null=True)),
        migrations.RunPython(begin, migrations.RunPython.noop, elidable=True),
    ]
