"""A server of one release. Its first line of output is its port. It answers each line of its input by a line.

An order is a command of ``manage.py``, or something that happens in the database.
"""

import json
import sys
import threading
from datetime import timedelta

import django

django.setup()

from django.apps import apps  # noqa: E402
from django.contrib.auth import get_user_model  # noqa: E402
from django.contrib.auth.hashers import make_password  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.core.servers.basehttp import ThreadedWSGIServer, WSGIRequestHandler  # noqa: E402
from django.core.wsgi import get_wsgi_application  # noqa: E402
from django.db import connections  # noqa: E402
from django.db.models import F  # noqa: E402


class Quiet(WSGIRequestHandler):
    def log_message(self, *args):
        pass


def manage(*words):
    call_command(*words, stdout=sys.stderr)


def users(names):
    model, password = get_user_model(), make_password("correct horse")
    model.objects.bulk_create(model(username=name, password=password) for name in names)


def delete(name):
    get_user_model().objects.get(username=name).delete()


def age():
    """Let an hour pass for all sessions."""
    hour = timedelta(hours=1)
    apps.get_model("django_jwtauth", "RefreshToken").objects.update(rotated_at=F("rotated_at") - hour)
    apps.get_model("jwtauth_simplejwt", "ExchangedToken").objects.update(exchanged_at=F("exchanged_at") - hour)


def live():
    """Return how many sessions each user has."""
    names = apps.get_model("django_jwtauth", "RefreshToken").objects.live().values_list("user__username", flat=True)
    return sorted(names)


ORDERS = {function.__name__: function for function in (manage, users, delete, age, live)}


def say(answer):
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


def main():
    server = ThreadedWSGIServer(("127.0.0.1", 0), Quiet)
    server.set_app(get_wsgi_application())
    threading.Thread(target=server.serve_forever, daemon=True).start()
    say(server.server_port)
    for line in sys.stdin:
        kind, *rest = json.loads(line)
        say(ORDERS[kind](*rest))
    server.shutdown()
    connections.close_all()


main()
