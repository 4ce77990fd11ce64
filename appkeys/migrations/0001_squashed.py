import django.db.models.deletion
import django.db.models.functions.text
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True
    replaces = [
        ("appkeys", "0001_credentials"),
        ("appkeys", "0002_rotation_scopes_and_deletion"),
    ]

    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="AppKey",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(max_length=100)),
                ("digest", models.CharField(editable=False, max_length=64, unique=True)),
                ("suffix", models.CharField(editable=False, max_length=4)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("last_used_at", models.DateTimeField(editable=False, null=True)),
                ("deactivated_at", models.DateTimeField(blank=True, editable=False, null=True)),
                ("tool", models.CharField(default="api", editable=False, max_length=40)),
                ("source_system", models.CharField(blank=True, editable=False, max_length=150, unique=True)),
                ("first_event_at", models.DateTimeField(blank=True, editable=False, null=True)),
                ("old_digest", models.CharField(blank=True, db_index=True, default="", editable=False, max_length=64)),
                ("old_suffix", models.CharField(blank=True, default="", editable=False, max_length=4)),
                ("old_valid_until", models.DateTimeField(editable=False, null=True)),
                ("old_used_at", models.DateTimeField(editable=False, null=True)),
                ("deleted_at", models.DateTimeField(editable=False, null=True)),
                (
                    "created_by",
                    models.ForeignKey(
                        blank=True,
                        editable=False,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "verbose_name": "App Key",
                "ordering": ["name"],
                "abstract": False,
            },
        ),
        migrations.CreateModel(
            name="OrgToken",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(max_length=100)),
                ("digest", models.CharField(editable=False, max_length=64, unique=True)),
                ("suffix", models.CharField(editable=False, max_length=4)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("last_used_at", models.DateTimeField(editable=False, null=True)),
                ("deactivated_at", models.DateTimeField(blank=True, editable=False, null=True)),
                (
                    "scope",
                    models.CharField(
                        choices=[
                            ("everything", "Send, and use the v1 resources"),
                            ("sending", "Send alerts and deployments only"),
                            ("resources", "Use the v1 resources only"),
                        ],
                        default="everything",
                        max_length=20,
                    ),
                ),
                ("is_limited", models.BooleanField(default=False, editable=False)),
                ("expires_at", models.DateTimeField(blank=True, null=True)),
                ("app_keys", models.ManyToManyField(blank=True, related_name="tokens", to="appkeys.appkey")),
                (
                    "created_by",
                    models.ForeignKey(
                        blank=True,
                        editable=False,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "verbose_name": "org token",
                "ordering": ["name"],
                "abstract": False,
            },
        ),
        migrations.AddConstraint(
            model_name="appkey",
            constraint=models.UniqueConstraint(
                django.db.models.functions.text.Lower("name"),
                condition=models.Q(("deleted_at", None)),
                name="appkey_name_any_case",
                violation_error_message="This name is taken already (upper and lower case count as the same). Choose another one.",
            ),
        ),
        migrations.AddConstraint(
            model_name="orgtoken",
            constraint=models.UniqueConstraint(
                django.db.models.functions.text.Lower("name"),
                name="orgtoken_name_any_case",
                violation_error_message="This name is taken already (upper and lower case count as the same). Choose another one.",
            ),
        ),
    ]
