import uuid

import django.core.validators
import django.db.models.deletion
import django.db.models.functions.text
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models

import incidents.models.incident
import incidents.models.pattern


class Migration(migrations.Migration):
    initial = True
    replaces = [
        ("incidents", "0001_initial"),
        ("incidents", "0003_actions"),
        ("incidents", "0004_turns_and_replays"),
        ("incidents", "0005_matcher_source"),
        ("incidents", "0006_bulk_as_asked"),
        ("incidents", "0007_pattern_versions"),
        ("incidents", "0008_environments"),
        ("incidents", "0009_turns_by_hand"),
        ("incidents", "0010_runs_alive"),
        ("incidents", "0011_bulk_preview"),
        ("incidents", "0012_deployments"),
        ("incidents", "0013_wallboards"),
        ("incidents", "0015_alerts_resolved"),
        ("incidents", "0016_reasons_judged_again"),
        ("incidents", "0017_feed_indexes"),
        ("incidents", "0018_matchers_by_fingerprint"),
        ("incidents", "0019_open_counts"),
        ("incidents", "0021_maintenance_plans"),
        ("incidents", "0022_no_search_text"),
        ("incidents", "0023_search_texts"),
        ("incidents", "0024_lean_matchers"),
        ("incidents", "0025_feed_by_environment"),
        ("incidents", "0026_shared"),
    ]

    dependencies = [
        ("alerts", "0001_squashed"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="CorrelationBatch",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("at", models.DateTimeField(db_index=True)),
                ("seen", models.JSONField(default=list)),
                ("maintenance", models.JSONField(default=list)),
                ("patterns", models.JSONField(default=list)),
                ("by_hand", models.JSONField(default=list)),
            ],
            options={
                "db_table": "incidents_turn",
                "ordering": ["pk"],
            },
        ),
        migrations.CreateModel(
            name="Membership",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("key", models.TextField(unique=True)),
            ],
        ),
        migrations.CreateModel(
            name="SearchText",
            fields=[
                (
                    "alert",
                    models.OneToOneField(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="+",
                        serialize=False,
                        to="alerts.alert",
                    ),
                ),
                ("search_text", models.TextField()),
            ],
        ),
        migrations.CreateModel(
            name="BulkAction",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("what", models.CharField(max_length=20)),
                ("arguments", models.JSONField(default=dict)),
                ("matching", models.TextField(blank=True, default="")),
                ("snapshot", models.JSONField(default=list)),
                ("preview", models.JSONField(default=dict)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("asked", "Not confirmed"),
                            ("waiting", "Waiting"),
                            ("running", "Running"),
                            ("done", "Done"),
                            ("undoing", "Being undone"),
                            ("undone", "Undone"),
                        ],
                        default="asked",
                        max_length=10,
                    ),
                ),
                ("total", models.PositiveIntegerField(default=0)),
                ("position", models.PositiveIntegerField(default=0)),
                ("done", models.PositiveIntegerField(default=0)),
                ("skipped", models.JSONField(default=dict)),
                ("kept", models.JSONField(default=dict)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("finished_at", models.DateTimeField(null=True)),
                ("undone_at", models.DateTimeField(null=True)),
                ("announced_at", models.DateTimeField(null=True)),
                (
                    "by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "ordering": ["-pk"],
            },
        ),
        migrations.CreateModel(
            name="CorrelationPattern",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("uuid", models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                ("tags", models.JSONField()),
                (
                    "time_window",
                    models.PositiveIntegerField(
                        validators=[
                            django.core.validators.MinValueValidator(1),
                            django.core.validators.MaxValueValidator(4320),
                        ]
                    ),
                ),
                ("filter", models.TextField(blank=True, default="")),
                ("cross_source", models.BooleanField(default=True)),
                ("active", models.BooleanField(default=True)),
                ("position", models.PositiveIntegerField(default=0)),
                ("note", models.TextField(blank=True, default="")),
                ("version", models.PositiveIntegerField(default=1)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("updated_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("suggested_at", models.DateTimeField(null=True)),
                ("deleted_at", models.DateTimeField(null=True)),
                (
                    "created_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "updated_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "ordering": ["position", "-time_window", "pk"],
            },
        ),
        migrations.CreateModel(
            name="Deployment",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("component", models.TextField()),
                ("version", models.TextField()),
                ("hosts", models.JSONField(default=list)),
                ("match_key", models.CharField(max_length=64)),
                (
                    "status",
                    models.CharField(
                        choices=[("start", "In progress"), ("success", "Succeeded"), ("failure", "Failed")],
                        default="start",
                        max_length=10,
                    ),
                ),
                ("started_at", models.DateTimeField()),
                ("ended_at", models.DateTimeField(null=True)),
                ("owner", models.TextField(blank=True, default="")),
                ("description", models.TextField(blank=True, default="")),
                ("source", models.TextField(blank=True, default="")),
                ("env", models.TextField(blank=True, default="")),
                ("error_message", models.TextField(blank=True, default="")),
                ("properties", models.JSONField(default=dict)),
            ],
            options={
                "indexes": [
                    models.Index(fields=["started_at"], name="incidents_deploy_by_start"),
                    models.Index(
                        condition=models.Q(("ended_at", None)),
                        fields=["match_key"],
                        name="incidents_deploy_in_progress",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Environment",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(max_length=80)),
                ("description", models.TextField(blank=True, default="", max_length=500)),
                ("query", models.TextField(blank=True, default="", max_length=2000)),
                ("group", models.CharField(blank=True, default="", max_length=80)),
                ("seen_by", models.JSONField(blank=True, default=list)),
                ("acted_by", models.JSONField(blank=True, default=list)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("updated_at", models.DateTimeField(auto_now=True)),
                ("deleted_at", models.DateTimeField(null=True)),
                ("unplaced_below", models.BigIntegerField(null=True)),
                (
                    "created_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "starred_by",
                    models.ManyToManyField(related_name="starred_environments", to=settings.AUTH_USER_MODEL),
                ),
            ],
            options={
                "ordering": [django.db.models.functions.text.Lower("name")],
            },
        ),
        migrations.CreateModel(
            name="Incident",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "status",
                    models.SmallIntegerField(
                        choices=[(0, "ok"), (1, "acknowledged"), (2, "unknown"), (3, "warning"), (4, "critical")],
                        default=2,
                    ),
                ),
                (
                    "severity",
                    models.SmallIntegerField(
                        choices=[(0, "ok"), (1, "acknowledged"), (2, "unknown"), (3, "warning"), (4, "critical")],
                        default=2,
                    ),
                ),
                ("title", models.TextField()),
                ("subtitle", models.TextField(blank=True, default="")),
                ("alerts_count", models.PositiveIntegerField(default=0)),
                ("active_count", models.PositiveIntegerField(default=0)),
                ("status_counts", models.JSONField(default=incidents.models.incident.no_counts)),
                ("maintenance_counts", models.JSONField(default=incidents.models.incident.no_counts)),
                (
                    "maintenance",
                    models.SmallIntegerField(choices=[(0, "none"), (1, "partial"), (2, "active")], default=0),
                ),
                ("sources", models.JSONField(default=list)),
                ("names", models.JSONField(default=incidents.models.incident.no_names)),
                ("shared_tags", models.JSONField(default=dict)),
                ("first_alert", models.BigIntegerField(null=True)),
                ("flapping", models.BooleanField(default=False)),
                ("flapping_until", models.DateTimeField(null=True)),
                ("flapping_changes", models.PositiveIntegerField(default=0)),
                ("started_at", models.DateTimeField()),
                ("changed_at", models.DateTimeField()),
                ("resolved_at", models.DateTimeField(null=True)),
                ("assigned_at", models.DateTimeField(null=True)),
                ("acknowledged_at", models.DateTimeField(null=True)),
                ("snoozed_until", models.DateTimeField(null=True)),
                ("wakes_on_update", models.BooleanField(default=False)),
                (
                    "priority",
                    models.SmallIntegerField(
                        choices=[(1, "P1"), (2, "P2"), (3, "P3"), (4, "P4"), (5, "P5")], null=True
                    ),
                ),
                ("shared_with", models.JSONField(default=list)),
                ("shared_count", models.PositiveIntegerField(default=0)),
                ("comments_count", models.PositiveIntegerField(default=0)),
                (
                    "is_nobodys",
                    models.GeneratedField(
                        db_persist=True,
                        expression=models.Case(models.When(assignee=None, then=1), default=0),
                        output_field=models.SmallIntegerField(),
                    ),
                ),
                (
                    "acknowledged_by",
                    models.ForeignKey(
                        blank=True,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "assigned_by",
                    models.ForeignKey(
                        blank=True,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "assignee",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "follows",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="followed_by",
                        to="incidents.incident",
                    ),
                ),
                (
                    "merged_into",
                    models.ForeignKey(
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="merged",
                        to="incidents.incident",
                    ),
                ),
                (
                    "resolved_by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "snoozed_by",
                    models.ForeignKey(
                        blank=True,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "membership",
                    models.ForeignKey(
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="incidents",
                        to="incidents.membership",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Activity",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "kind",
                    models.CharField(max_length=40),
                ),
                ("at", models.DateTimeField()),
                ("comment", models.TextField(blank=True, default="")),
                ("edited_at", models.DateTimeField(null=True)),
                ("details", models.JSONField(default=dict)),
                ("before", models.JSONField(default=dict)),
                ("undone_at", models.DateTimeField(null=True)),
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
                    "part_of",
                    models.ForeignKey(
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="parts",
                        to="incidents.activity",
                    ),
                ),
                (
                    "bulk",
                    models.ForeignKey(
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="activities",
                        to="incidents.bulkaction",
                    ),
                ),
                (
                    "incident",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="activities", to="incidents.incident"
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "activities",
                "ordering": ["-at", "-pk"],
            },
        ),
        migrations.CreateModel(
            name="IncidentTag",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(max_length=20)),
                (
                    "description",
                    models.TextField(
                        blank=True, default="", validators=[django.core.validators.MaxLengthValidator(200)]
                    ),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("Text", "Text"),
                            ("MultiValue", "Several values"),
                            ("ClosedListValuesSingle", "One of a list"),
                            ("ClosedListValuesMulti", "Several of a list"),
                        ],
                        default="Text",
                        max_length=30,
                    ),
                ),
                ("choices", models.JSONField(blank=True, default=list)),
                ("active", models.BooleanField(default=True)),
            ],
            options={
                "ordering": [django.db.models.functions.text.Lower("name")],
                "constraints": [
                    models.UniqueConstraint(
                        django.db.models.functions.text.Lower("name"),
                        name="incidents_incidenttag_name_any_case",
                        violation_error_message="There is an incident tag of this name already. Choose another name.",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="IncidentTagValue",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("values", models.JSONField()),
                (
                    "incident",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="tag_values", to="incidents.incident"
                    ),
                ),
                (
                    "tag",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="values", to="incidents.incidenttag"
                    ),
                ),
            ],
            options={
                "ordering": [django.db.models.functions.text.Lower("tag__name")],
            },
        ),
        migrations.CreateModel(
            name="MaintenancePlan",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(max_length=200)),
                ("condition", models.TextField(max_length=2000)),
                ("starts_at", models.DateTimeField()),
                ("ends_at", models.DateTimeField()),
                ("stopped_before", models.DateTimeField(null=True)),
                ("description", models.TextField(blank=True, default="", max_length=2000)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("updated_at", models.DateTimeField(auto_now=True)),
                ("deleted_at", models.DateTimeField(null=True)),
                (
                    "created_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "updated_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "ordering": ["starts_at", "pk"],
            },
        ),
        migrations.CreateModel(
            name="Matcher",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("version", models.PositiveIntegerField()),
                ("key", incidents.models.pattern.KeyField()),
                ("source_system", models.CharField(blank=True, default="", max_length=130)),
                ("any_source_key", incidents.models.pattern.KeyField(null=True)),
                ("values", models.JSONField()),
                ("time_window", models.PositiveIntegerField()),
                ("anchor_at", models.DateTimeField()),
                ("valid", models.BooleanField(default=True)),
                ("narrowed_at", models.PositiveIntegerField(null=True)),
                ("open", models.BooleanField(default=True)),
                (
                    "brought_from",
                    models.ForeignKey(
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to="incidents.incident",
                    ),
                ),
                (
                    "incident",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="matchers", to="incidents.incident"
                    ),
                ),
                (
                    "pattern",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="incidents.correlationpattern",
                    ),
                ),
            ],
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
            },
        ),
        migrations.CreateModel(
            name="ReplayRun",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("since", models.DateTimeField()),
                ("until", models.DateTimeField()),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("waiting", "Waiting"),
                            ("running", "Running"),
                            ("done", "Done"),
                            ("cancelled", "Cancelled"),
                            ("failed", "Failed"),
                        ],
                        default="waiting",
                        max_length=10,
                    ),
                ),
                ("attempt", models.PositiveIntegerField(default=0)),
                ("done", models.PositiveIntegerField(default=0)),
                ("total", models.PositiveIntegerField(default=0)),
                ("result", models.JSONField(null=True)),
                ("error", models.TextField(blank=True, default="")),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("started_at", models.DateTimeField(null=True)),
                ("alive_at", models.DateTimeField(null=True)),
                ("finished_at", models.DateTimeField(null=True)),
                ("rules", models.JSONField(null=True)),
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
            ],
            options={
                "ordering": ["-pk"],
                "abstract": False,
            },
        ),
        migrations.CreateModel(
            name="Shadow",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("rules", models.JSONField()),
                ("note", models.TextField(blank=True, default="")),
                ("since", models.DateTimeField(auto_now_add=True)),
                ("ended_at", models.DateTimeField(null=True)),
                ("turn", models.BigIntegerField(default=0)),
                ("kept", models.JSONField(default=dict)),
                ("result", models.JSONField(null=True)),
                ("changed_at", models.DateTimeField(null=True)),
                (
                    "by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "ordering": ["-pk"],
            },
        ),
        migrations.CreateModel(
            name="SuggestionRun",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("since", models.DateTimeField()),
                ("until", models.DateTimeField()),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("waiting", "Waiting"),
                            ("running", "Running"),
                            ("done", "Done"),
                            ("cancelled", "Cancelled"),
                            ("failed", "Failed"),
                        ],
                        default="waiting",
                        max_length=10,
                    ),
                ),
                ("attempt", models.PositiveIntegerField(default=0)),
                ("done", models.PositiveIntegerField(default=0)),
                ("total", models.PositiveIntegerField(default=0)),
                ("result", models.JSONField(null=True)),
                ("error", models.TextField(blank=True, default="")),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("started_at", models.DateTimeField(null=True)),
                ("alive_at", models.DateTimeField(null=True)),
                ("finished_at", models.DateTimeField(null=True)),
                (
                    "by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "ordering": ["-pk"],
                "abstract": False,
            },
        ),
        migrations.CreateModel(
            name="Wallboard",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(max_length=80)),
                ("sound", models.BooleanField(default=False)),
                ("flash", models.BooleanField(default=False)),
                ("digest", models.CharField(editable=False, max_length=64, unique=True)),
                ("suffix", models.CharField(editable=False, max_length=4)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("last_seen_at", models.DateTimeField(null=True)),
                ("revoked_at", models.DateTimeField(null=True)),
                (
                    "created_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "environment",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="wallboards",
                        to="incidents.environment",
                    ),
                ),
            ],
            options={
                "ordering": ["-created_at", "-pk"],
            },
        ),
        migrations.AddConstraint(
            model_name="environment",
            constraint=models.UniqueConstraint(
                django.db.models.functions.text.Lower("name"),
                condition=models.Q(("deleted_at", None)),
                name="incidents_environment_name_any_case",
            ),
        ),
        migrations.AddIndex(
            model_name="activity",
            index=models.Index(
                condition=models.Q(("undone_at", None)), fields=["by", "-id"], name="incidents_last_of_person"
            ),
        ),
        migrations.AddIndex(
            model_name="activity",
            index=models.Index(
                condition=models.Q(("kind", "incident_commented")), fields=["incident"], name="incidents_comments"
            ),
        ),
        migrations.AddIndex(
            model_name="activity",
            index=models.Index(
                condition=models.Q(("part_of__isnull", False)), fields=["part_of"], name="incidents_parts"
            ),
        ),
        migrations.AddIndex(
            model_name="activity",
            index=models.Index(
                condition=models.Q(("bulk__isnull", False)), fields=["bulk", "id"], name="incidents_of_bulk"
            ),
        ),
        migrations.AddConstraint(
            model_name="incidenttagvalue",
            constraint=models.UniqueConstraint(fields=("incident", "tag"), name="incidents_one_value_per_tag"),
        ),
        migrations.AddIndex(
            model_name="maintenanceplan",
            index=models.Index(fields=["ends_at"], name="incidents_maintenance_by_end"),
        ),
        migrations.AddIndex(
            model_name="matcher",
            index=models.Index(
                condition=models.Q(("valid", True)), fields=["key", "anchor_at"], name="incidents_matcher_leads"
            ),
        ),
        migrations.AddIndex(
            model_name="matcher",
            index=models.Index(
                condition=models.Q(("any_source_key__isnull", False), ("open", True)),
                fields=["any_source_key"],
                name="incidents_matcher_any_source",
            ),
        ),
        migrations.AddConstraint(
            model_name="matcher",
            constraint=models.UniqueConstraint(
                condition=models.Q(("open", True)), fields=("key",), name="incidents_one_open_per_key"
            ),
        ),
        migrations.AddIndex(
            model_name="incident",
            index=models.Index(fields=["membership", "-resolved_at", "-id"], name="incidents_by_membership"),
        ),
        migrations.AddIndex(
            model_name="incident",
            index=models.Index(
                condition=models.Q(("resolved_at", None)),
                fields=["-is_nobodys", "-status", "-changed_at", "-id", "membership"],
                name="incidents_open_by_urgency",
            ),
        ),
        migrations.AddIndex(
            model_name="incident",
            index=models.Index(
                condition=models.Q(("resolved_at", None)),
                fields=["-changed_at", "-id", "membership"],
                name="incidents_open_by_change",
            ),
        ),
        migrations.AddIndex(
            model_name="incident",
            index=models.Index(
                condition=models.Q(("resolved_at", None)),
                fields=["-status", "-changed_at", "-id", "membership"],
                name="incidents_open_by_status",
            ),
        ),
        migrations.AddIndex(
            model_name="incident",
            index=models.Index(
                condition=models.Q(("resolved_at", None)),
                fields=["-started_at", "-id", "membership"],
                name="incidents_open_by_start",
            ),
        ),
        migrations.AddIndex(
            model_name="incident",
            index=models.Index(
                condition=models.Q(("resolved_at", None)),
                fields=["-alerts_count", "-changed_at", "-id", "membership"],
                name="incidents_open_by_alerts",
            ),
        ),
        migrations.AddIndex(
            model_name="incident",
            index=models.Index(
                condition=models.Q(("resolved_at", None)),
                fields=[
                    "membership",
                    "status",
                    "assignee",
                    "snoozed_until",
                    "maintenance",
                    "shared_count",
                    "active_count",
                    "alerts_count",
                    "id",
                ],
                name="incidents_open_counts",
            ),
        ),
        migrations.AddIndex(
            model_name="incident",
            index=models.Index(
                condition=models.Q(("resolved_at__isnull", False)),
                fields=["-resolved_at", "-id"],
                name="incidents_resolved_feed",
            ),
        ),
        migrations.AddIndex(
            model_name="incident",
            index=models.Index(
                condition=models.Q(("snoozed_until__isnull", False)), fields=["snoozed_until"], name="incidents_snoozed"
            ),
        ),
        migrations.AddIndex(
            model_name="incident",
            index=models.Index(condition=models.Q(("shared_count__gt", 0)), fields=["id"], name="incidents_shared"),
        ),
        migrations.AddIndex(
            model_name="incident",
            index=models.Index(
                condition=models.Q(("merged_into__isnull", False)), fields=["merged_into"], name="incidents_merged_away"
            ),
        ),
        migrations.AddIndex(
            model_name="incident",
            index=models.Index(
                condition=models.Q(("flapping", True)), fields=["flapping_until"], name="incidents_flapping"
            ),
        ),
        migrations.AddIndex(
            model_name="patternversion",
            index=models.Index(fields=["pattern", "version"], name="incidents_pattern_versions"),
        ),
    ]
