from django.contrib.auth import get_user_model
from simple_history import register

from .page import run

run("django-simple-history", __package__=__package__)
register(get_user_model(), app=__package__)
