"""Two people may write the same prompt: both answers are then of one."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("labeling", "0015_quality")]

    operations = [
        migrations.AlterField(
            model_name="writtenprompt",
            name="prompt",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="written",
                to="labeling.prompt",
            ),
        ),
    ]
