from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("incidents", "0026_shared")]

    operations = [
        # The table keeps its name, so that the previous release can go on writing to it while it is being replaced.
        migrations.AlterModelTable(name="turn", table="incidents_turn"),
        migrations.RenameModel(old_name="Turn", new_name="CorrelationBatch"),
    ]
