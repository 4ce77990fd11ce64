import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True
    replaces = [
        ("alerts", "0006_maintenance_plan"),
        ("alerts", "0007_active_by_app_key_dropped"),
    ]

    dependencies = [
        ("alerts", "0001_squashed"),
        ("appkeys", "0001_squashed"),
        ("incidents", "0001_squashed"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name="alert",
            name="incident",
            field=models.ForeignKey(
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="alerts",
                to="incidents.incident",
            ),
        ),
        migrations.AddField(
            model_name="alert",
            name="maintenance_plan",
            field=models.ForeignKey(
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="alerts",
                to="incidents.maintenanceplan",
            ),
        ),
        migrations.AddField(
            model_name="event",
            name="alert",
            field=models.ForeignKey(
                db_constraint=False,
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="events",
                to="alerts.alert",
            ),
        ),
        migrations.AddField(
            model_name="mapping",
            name="app_key",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE, related_name="mappings", to="appkeys.appkey"
            ),
        ),
        migrations.AddField(
            model_name="mapping",
            name="created_by",
            field=models.ForeignKey(
                null=True, on_delete=django.db.models.deletion.SET_NULL, related_name="+", to=settings.AUTH_USER_MODEL
            ),
        ),
        migrations.AddField(
            model_name="refusal",
            name="app_key",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE, related_name="refusals", to="appkeys.appkey"
            ),
        ),
        migrations.AddField(
            model_name="repair",
            name="app_key",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE, related_name="repairs", to="appkeys.appkey"
            ),
        ),
        migrations.AddField(
            model_name="tailline",
            name="app_key",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE, related_name="tail", to="appkeys.appkey"
            ),
        ),
        migrations.AddField(
            model_name="traffic",
            name="app_key",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE, related_name="traffic", to="appkeys.appkey"
            ),
        ),
        migrations.AddIndex(
            model_name="alert",
            index=models.Index(
                condition=models.Q(("revision__gt", models.F("correlated_revision"))),
                fields=["id"],
                name="alerts_behind",
            ),
        ),
        migrations.AddIndex(
            model_name="alert",
            index=models.Index(
                condition=models.Q(("is_current", False)), fields=["identity"], name="alerts_former_lives"
            ),
        ),
        migrations.AddIndex(
            model_name="alert",
            index=models.Index(
                condition=models.Q(("incident__isnull", False)),
                fields=["incident", "status"],
                name="alerts_by_incident",
            ),
        ),
        migrations.AddIndex(
            model_name="alert",
            index=models.Index(
                condition=models.Q(("maintenance_plan__isnull", False)),
                fields=["maintenance_plan"],
                name="alerts_by_maintenance_plan",
            ),
        ),
        migrations.AddConstraint(
            model_name="alert",
            constraint=models.UniqueConstraint(
                condition=models.Q(("is_current", True)), fields=("identity",), name="alerts_one_current_per_identity"
            ),
        ),
        migrations.AddIndex(
            model_name="event",
            index=models.Index(fields=["alert", "occurred_at"], name="alerts_event_log"),
        ),
        migrations.AddConstraint(
            model_name="mapping",
            constraint=models.UniqueConstraint(fields=("app_key", "version"), name="alerts_mapping_version"),
        ),
        migrations.AddConstraint(
            model_name="mapping",
            constraint=models.UniqueConstraint(
                condition=models.Q(("is_current", True)),
                fields=("app_key",),
                name="alerts_one_current_mapping_per_app_key",
            ),
        ),
        migrations.AddIndex(
            model_name="refusal",
            index=models.Index(fields=["app_key", "-at"], name="alerts_refusals"),
        ),
        migrations.AddConstraint(
            model_name="repair",
            constraint=models.UniqueConstraint(fields=("app_key", "field"), name="alerts_repair_by_field"),
        ),
        migrations.AddIndex(
            model_name="tailline",
            index=models.Index(fields=["app_key", "-id"], name="alerts_tail"),
        ),
        migrations.AddConstraint(
            model_name="traffic",
            constraint=models.UniqueConstraint(fields=("app_key", "hour"), name="alerts_traffic_by_hour"),
        ),
    ]
