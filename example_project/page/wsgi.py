"""The page for WSGI servers: ``python -m gunicorn -b 127.0.0.1:8002 example_project.page.wsgi``."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "example_project.page.settings")

application = get_wsgi_application()
