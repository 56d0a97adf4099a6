"""Guidelines are versions of their own now (0013 has copied them)."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("labeling", "0013_workspace_laws")]

    operations = [migrations.RemoveField(model_name="project", name="guidelines")]
