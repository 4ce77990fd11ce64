from django.db import migrations, models


def look_again(apps, schema_editor):
    """Correlation writes the new column; looking at an alert again changes nothing else."""
    apps.get_model("alerts", "Alert").objects.update(correlated_revision=0)


class Migration(migrations.Migration):
    dependencies = [("alerts", "0002_revisions_of_the_log")]

    operations = [
        migrations.AddField(
            model_name="alert",
            name="search_text",
            field=models.TextField(db_default="", default=""),
        ),
        migrations.RunPython(look_again, migrations.RunPython.noop),
    ]
