"""The stock service for ASGI servers: ``python -m uvicorn --port 8001 example_project.stock.asgi:application``."""

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "example_project.stock.settings")

application = get_asgi_application()
