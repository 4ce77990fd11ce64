from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("incidents", "0027_correlation_batch")]

    operations = [
        # The database never knew the choices, so nothing changes in it.
        migrations.AlterField(model_name="activity", name="kind", field=models.CharField(max_length=40)),
    ]
