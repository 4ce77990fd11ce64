import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("alerts", "0006_maintenance_plan"), ("incidents", "0022_no_search_text")]

    operations = [
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
        migrations.RunSQL(
            "INSERT INTO incidents_searchtext (alert_id, search_text) SELECT a.id, a.search_text"
            " FROM incidents_incident i JOIN alerts_alert a ON a.incident_id = i.id WHERE i.resolved_at IS NULL",
            migrations.RunSQL.noop,
        ),
    ]
