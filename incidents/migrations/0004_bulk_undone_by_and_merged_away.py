"""Column for the person who undid a bulk action, and the environments of incidents that were merged away."""

from django.conf import settings
from django.db import migrations, models


def place_merged_away(apps, schema_editor):
    """Put each incident that was merged away into the environments of the incident that has its alerts."""
    incidents = apps.get_model("incidents", "Incident").objects.filter(merged_into__isnull=False)
    placed = True
    while placed:  # one round more than the longest row of merges
        rows = incidents.values_list("pk", "membership", "merged_into__membership")
        moves = {}
        for pk, own, target in rows:
            if own != target:
                moves.setdefault(target, []).append(pk)
        for target, pks in moves.items():
            for start in range(0, len(pks), 1000):
                incidents.filter(pk__in=pks[start : start + 1000]).update(membership=target)
        placed = bool(moves)


class Migration(migrations.Migration):
    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
        ("incidents", "0003_environments_set_by_administrators"),
    ]

    operations = [
        migrations.AddField(
            model_name="bulkaction",
            name="undone_by",
            field=models.ForeignKey(
                null=True,
                on_delete=models.deletion.SET_NULL,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
                db_index=False,
            ),
        ),
        migrations.RunPython(place_merged_away, migrations.RunPython.noop),
    ]
