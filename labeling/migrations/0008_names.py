"""No two names differ by the case of letters alone."""

from django.db import migrations, models
from django.db.models import Count, Value
from django.db.models.functions import Lower


def tell_twins_apart(apps, schema_editor):
    """Of accounts that were made under one name before, the oldest keeps it; a number is added to the others."""
    named = apps.get_model("labeling", "User").objects.annotate(lower=Lower("username"))
    for twins in named.values("lower").annotate(many=Count("pk")).filter(many__gt=1).values_list("lower", flat=True):
        for user in list(named.filter(lower=twins).order_by("pk"))[1:]:
            number = 2
            while named.filter(lower=Lower(Value(f"{user.username}{number}"))).exists():
                number += 1
            print(f"  the account {user.username} ({user.public_id}) is named {user.username}{number} now")
            user.username = f"{user.username}{number}"
            user.save(update_fields=["username"])


class Migration(migrations.Migration):
    dependencies = [("labeling", "0007_webhooks")]

    operations = [
        migrations.RunPython(tell_twins_apart, migrations.RunPython.noop),
        migrations.AddConstraint(
            "user",
            models.UniqueConstraint(
                Lower("username"),
                name="user_name_once",
                violation_error_message="Somebody has this name already.",
            ),
        ),
    ]
