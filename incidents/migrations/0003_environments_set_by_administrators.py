"""Environments remember whether an administrator chose their query and roles."""

from __future__ import annotations

from typing import Any

from django.db import migrations, models

AREAS = ("incidents", "patterns", "environments", "maintenance", "integrations", "people", "audit")


def find_out(apps: Any, schema_editor: Any) -> None:
    """Keep the meaning of environments that only administrators have created and changed."""
    entries = apps.get_model("people", "AuditEntry").objects.filter(entity_kind="environment")
    roles = apps.get_model("people", "Role").objects.all()
    everything = dict.fromkeys(AREAS, "full_access")
    administrators = [each.pk for each in roles if each.built_in == "admin" or each.permissions == everything]
    of_others = entries.exclude(actor__role__in=administrators).values_list("entity_id", flat=True)
    changed = {int(pk) for pk in of_others if pk.isdecimal()}
    environments = apps.get_model("incidents", "Environment").objects.filter(created_by__role__in=administrators)
    environments.exclude(pk__in=changed).update(set_by_administrator=True)


class Migration(migrations.Migration):
    dependencies = [("incidents", "0002_patterns_and_autovacuum"), ("people", "0001_squashed")]
    operations = [
        migrations.AddField(
            "environment", "set_by_administrator", models.BooleanField(default=False, db_default=False)
        ),
        migrations.RunPython(find_out, migrations.RunPython.noop, elidable=True),
    ]
