import django.db.models.deletion
from django.db import migrations, models

import alerts.models.keys


class Migration(migrations.Migration):
    initial = True
    replaces = [
        ("alerts", "0001_initial"),
        ("alerts", "0002_revisions_of_the_log"),
        ("alerts", "0003_alert_search_text"),
        ("alerts", "0004_integrations_health"),
        ("alerts", "0005_kept_requests"),
    ]

    dependencies = [
        ("appkeys", "0001_squashed"),
    ]

    operations = [
        migrations.CreateModel(
            name="Event",
            fields=[
                (
                    "id",
                    models.BigIntegerField(
                        default=alerts.models.keys.time_ordered_key, editable=False, primary_key=True, serialize=False
                    ),
                ),
                (
                    "kind",
                    models.SmallIntegerField(
                        choices=[(0, "sent"), (1, "resolved by hand"), (2, "resolve undone")], default=0
                    ),
                ),
                (
                    "status",
                    models.SmallIntegerField(
                        choices=[(0, "ok"), (1, "acknowledged"), (2, "unknown"), (3, "warning"), (4, "critical")]
                    ),
                ),
                ("tags", models.JSONField(default=dict)),
                ("content", models.UUIDField(null=True)),
                ("occurred_at", models.DateTimeField()),
                ("received_at", models.DateTimeField()),
                ("revision", models.PositiveIntegerField(default=1)),
                ("undoes", models.BigIntegerField(null=True)),
                ("activity", models.BigIntegerField(null=True)),
            ],
        ),
        migrations.CreateModel(
            name="Health",
            fields=[
                (
                    "app_key",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="health",
                        serialize=False,
                        to="appkeys.appkey",
                    ),
                ),
                ("last_event_at", models.DateTimeField(null=True)),
                ("skew_seconds", models.FloatField(null=True)),
                ("most_tags", models.PositiveIntegerField(default=0)),
                ("most_tags_identity", models.UUIDField(null=True)),
                ("watched_until", models.DateTimeField(null=True)),
                ("test_ends_at", models.DateTimeField(null=True)),
                ("alarm_when_quiet", models.BooleanField(default=False)),
                ("quiet_alarm_at", models.DateTimeField(null=True)),
            ],
        ),
        migrations.CreateModel(
            name="IdempotentReply",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("key", models.UUIDField(unique=True)),
                ("request", models.UUIDField()),
                ("status", models.PositiveSmallIntegerField()),
                ("body", models.JSONField(null=True)),
                ("created_at", models.DateTimeField(db_index=True)),
            ],
            options={
                "verbose_name_plural": "idempotent replies",
            },
        ),
        migrations.CreateModel(
            name="KeptRequests",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("since", models.DateTimeField()),
                ("until", models.DateTimeField(db_index=True)),
                ("size", models.PositiveIntegerField()),
                ("packed", models.BinaryField()),
            ],
            options={
                "verbose_name_plural": "kept requests",
            },
        ),
        migrations.CreateModel(
            name="Mapping",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("version", models.PositiveIntegerField()),
                ("config", models.JSONField()),
                ("sample", models.JSONField()),
                ("is_current", models.BooleanField(default=False)),
                ("note", models.CharField(blank=True, default="", max_length=200)),
                ("created_at", models.DateTimeField()),
            ],
            options={
                "ordering": ["-version"],
            },
        ),
        migrations.CreateModel(
            name="Refusal",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("at", models.DateTimeField()),
                ("path", models.CharField(max_length=200)),
                ("reasons", models.JSONField()),
                ("sample", models.TextField()),
            ],
            options={
                "ordering": ["-at", "-pk"],
            },
        ),
        migrations.CreateModel(
            name="Repair",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("field", models.TextField()),
                ("rule", models.TextField()),
                ("times", models.PositiveIntegerField(default=0)),
                ("last_at", models.DateTimeField()),
            ],
            options={
                "ordering": ["-last_at"],
            },
        ),
        migrations.CreateModel(
            name="TailLine",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("at", models.DateTimeField()),
                ("path", models.CharField(max_length=200)),
                ("status", models.PositiveSmallIntegerField()),
                ("sample", models.TextField()),
                ("said", models.TextField(blank=True)),
                ("identities", models.JSONField(default=list)),
            ],
            options={
                "ordering": ["-pk"],
            },
        ),
        migrations.CreateModel(
            name="Traffic",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("hour", models.DateTimeField()),
                ("accepted", models.PositiveIntegerField(default=0)),
                ("duplicates", models.PositiveIntegerField(default=0)),
                ("rejected", models.PositiveIntegerField(default=0)),
            ],
            options={
                "ordering": ["-hour"],
            },
        ),
        migrations.CreateModel(
            name="Alert",
            fields=[
                (
                    "id",
                    models.BigIntegerField(
                        default=alerts.models.keys.time_ordered_key, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("identity", models.UUIDField()),
                ("identifier", models.TextField()),
                ("life", models.PositiveIntegerField(default=1)),
                ("is_current", models.BooleanField(default=True)),
                (
                    "status",
                    models.SmallIntegerField(
                        choices=[(0, "ok"), (1, "acknowledged"), (2, "unknown"), (3, "warning"), (4, "critical")]
                    ),
                ),
                (
                    "severity",
                    models.SmallIntegerField(
                        choices=[(0, "ok"), (1, "acknowledged"), (2, "unknown"), (3, "warning"), (4, "critical")]
                    ),
                ),
                ("tags", models.JSONField(default=dict)),
                ("primary_property", models.TextField()),
                ("secondary_property", models.TextField(default="")),
                ("notes", models.JSONField(default=list)),
                ("started_at", models.DateTimeField()),
                ("changed_at", models.DateTimeField()),
                ("ended_at", models.DateTimeField(null=True)),
                ("last_event_at", models.DateTimeField()),
                ("last_content", models.UUIDField(null=True)),
                ("status_changes", models.JSONField(default=list)),
                ("revision", models.PositiveIntegerField(default=1)),
                ("correlated_revision", models.PositiveIntegerField(default=0)),
                (
                    "counted_status",
                    models.SmallIntegerField(
                        choices=[(0, "ok"), (1, "acknowledged"), (2, "unknown"), (3, "warning"), (4, "critical")],
                        null=True,
                    ),
                ),
                ("search_text", models.TextField(db_default="", default="")),
                ("decision", models.JSONField(null=True)),
                (
                    "app_key",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="alerts",
                        to="appkeys.appkey",
                    ),
                ),
            ],
        ),
    ]
