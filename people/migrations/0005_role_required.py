import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("people", "0004_role_filled")]

    operations = [
        migrations.RemoveField("User", "role"),
        migrations.RenameField("User", "new_role", "role"),
        migrations.AlterField(
            "User",
            "role",
            models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="people", to="people.role"),
        ),
    ]
