"""The WSGI door: `granian --interface wsgi labeling.wsgi:application`."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "labeling.settings")

application = get_wsgi_application()
