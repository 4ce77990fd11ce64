"""Column that says whether an org token reads the incidents of restricted environments."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("appkeys", "0001_squashed")]

    operations = [
        migrations.AddField(
            model_name="orgtoken",
            name="sees_restricted",
            field=models.BooleanField(db_default=False, default=False, editable=False),
        ),
    ]
