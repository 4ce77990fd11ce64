# The role becomes a row of its own: added here, filled in the next one, required after that.

import django.db.models.deletion
import django.db.models.functions.text
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("people", "0002_audit_entry")]

    operations = [
        migrations.CreateModel(
            name="Role",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(max_length=60)),
                ("description", models.CharField(blank=True, default="", max_length=200)),
                (
                    "built_in",
                    models.CharField(
                        choices=[("admin", "Administrator"), ("responder", "Responder"), ("viewer", "Viewer")],
                        editable=False,
                        max_length=20,
                        null=True,
                        unique=True,
                    ),
                ),
                ("permissions", models.JSONField(default=dict)),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        django.db.models.functions.text.Lower("name"),
                        name="people_role_name_any_case",
                        violation_error_message="This name is taken already (upper and lower case count as the same). Choose another one.",
                    )
                ],
            },
        ),
        migrations.AddField(
            "User",
            "new_role",
            models.ForeignKey(
                null=True, on_delete=django.db.models.deletion.PROTECT, related_name="people", to="people.role"
            ),
        ),
    ]
