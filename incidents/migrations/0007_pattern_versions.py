import uuid

import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models


def begin_history(apps, schema_editor):
    """A name in the API for each pattern there is, and its present version as the first of its history."""
    versions = apps.get_model("incidents", "PatternVersion")
    for pattern in apps.get_model("incidents", "CorrelationPattern").objects.all():
        pattern.uuid = uuid.uuid4()
        pattern.save(update_fields=["uuid"])
        kept = {
            name: getattr(pattern, name)
            for name in ("version", "tags", "time_window", "filter", "cross_source", "active", "note")
        }
        versions.objects.create(pattern=pattern, change="created", at=pattern.created_at, **kept)


class Migration(migrations.Migration):
    dependencies = [
        ("incidents", "0006_bulk_as_asked"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name="correlationpattern",
            name="created_at",
            field=models.DateTimeField(default=django.utils.timezone.now),
        ),
        migrations.AddField(
            model_name="correlationpattern",
            name="created_by",
            field=models.ForeignKey(
                null=True, on_delete=django.db.models.deletion.SET_NULL, related_name="+", to=settings.AUTH_USER_MODEL
            ),
        ),
        migrations.AddField(
            model_name="correlationpattern",
            name="deleted_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="correlationpattern",
            name="filter",
            field=models.TextField(blank=True, default=""),
        ),
        migrations.AddField(
            model_name="correlationpattern",
            name="suggested_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="correlationpattern",
            name="updated_at",
            field=models.DateTimeField(default=django.utils.timezone.now),
        ),
        migrations.AddField(
            model_name="correlationpattern",
            name="updated_by",
            field=models.ForeignKey(
                null=True, on_delete=django.db.models.deletion.SET_NULL, related_name="+", to=settings.AUTH_USER_MODEL
            ),
        ),
        migrations.AddField(
            model_name="correlationpattern",
            name="uuid",
            field=models.UUIDField(default=uuid.uuid4, editable=False, null=True),
        ),
        migrations.CreateModel(
            name="PatternVersion",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("version", models.PositiveIntegerField()),
                (
                    "change",
                    models.CharField(
                        choices=[
                            ("created", "Created"),
                            ("edited", "Edited"),
                            ("activated", "Activated"),
                            ("deactivated", "Deactivated"),
                            ("deleted", "Deleted"),
                            ("restored", "Restored"),
                        ],
                        max_length=20,
                    ),
                ),
                ("at", models.DateTimeField()),
                ("tags", models.JSONField()),
                ("time_window", models.PositiveIntegerField()),
                ("filter", models.TextField(blank=True, default="")),
                ("cross_source", models.BooleanField()),
                ("active", models.BooleanField()),
                ("note", models.TextField(blank=True, default="")),
                (
                    "by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "pattern",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="versions",
                        to="incidents.correlationpattern",
                    ),
                ),
            ],
            options={
                "ordering": ["-pk"],
                "indexes": [models.Index(fields=["pattern", "version"], name="incidents_pattern_versions")],
            },
        ),
        migrations.RunPython(begin_history, migrations.RunPython.noop),
        migrations.AlterField(
            model_name="correlationpattern",
            name="uuid",
            field=models.UUIDField(default=uuid.uuid4, editable=False, unique=True),
        ),
    ]
