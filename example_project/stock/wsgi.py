"""The stock service for WSGI servers: ``python -m gunicorn -b 127.0.0.1:8001 example_project.stock.wsgi``."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "example_project.stock.settings")

application = get_wsgi_application()
