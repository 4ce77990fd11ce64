from django.db import migrations


class Migration(migrations.Migration):
    """Searching asks alerts; nothing read this text of the incident."""

    dependencies = [("incidents", "0021_maintenance_plans")]

    operations = [migrations.RemoveField(model_name="incident", name="search_text")]
