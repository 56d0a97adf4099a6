"""What a labeler was shown of late is found by an index of theirs; who wants a summary of their week."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('labeling', '0014_rubric'),
    ]

    operations = [
        migrations.AddField(
            model_name='membership',
            name='summarised_until',
            field=models.DateField(blank=True, editable=False, help_text='The week that was last summarised ended here.', null=True),
        ),
        migrations.AddField(
            model_name='membership',
            name='weekly_summary',
            field=models.BooleanField(default=False, help_text='On Mondays, of work done.', verbose_name='send me a summary of my week by e-mail'),
        ),
        migrations.AlterField(
            model_name='assignment',
            name='labeler',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='assignments', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddIndex(
            model_name='assignment',
            index=models.Index(fields=['labeler', 'project', 'opened_at'], name='assignment_shown'),
        ),
    ]
