from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("incidents", "0024_lean_matchers"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.RemoveIndex(
            model_name="incident",
            name="incidents_open_by_urgency",
        ),
        migrations.RemoveIndex(
            model_name="incident",
            name="incidents_open_by_change",
        ),
        migrations.RemoveIndex(
            model_name="incident",
            name="incidents_open_by_status",
        ),
        migrations.RemoveIndex(
            model_name="incident",
            name="incidents_open_by_start",
        ),
        migrations.RemoveIndex(
            model_name="incident",
            name="incidents_open_by_alerts",
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
    ]
