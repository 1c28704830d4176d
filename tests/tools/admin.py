"""What the tests of the admin share."""

from contextlib import contextmanager

from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.contrib.messages import get_messages
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from django_jwtauth import signals
from django_jwtauth.models import RefreshToken

LIST = "/admin/django_jwtauth/refreshtoken/"
BLACKLIST = "/admin/django_jwtauth/blacklistedtoken/"
TIMES = "/admin/django_jwtauth/notbefore/"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
VIEW, VIEW_BLACKLIST = "view_refreshtoken", "view_blacklistedtoken"


def operator(*permissions, name="operator", **kwargs):
    """Make a user who may use the admin, with permissions by their code names."""
    made = get_user_model().objects.create_user(name, password="x", **{"is_staff": True, **kwargs})
    chosen = Permission.objects.filter(codename__in=permissions)
    assert chosen.count() == len(permissions)
    made.user_permissions.set(chosen)
    return made


def browser(user=None, **kwargs):
    """Return a client that is signed in to the admin."""
    client = Client(**kwargs)
    if user is not None:
        client.force_login(user)
    return client


def superuser():
    return operator(name="root", is_superuser=True)


def page(session, action="change"):
    return f"{LIST}{session.pk}/{action}/"


def selected(action, *chosen, **more):
    """Return what the list sends when an action is chosen; confirmed with ``confirmed="yes"``."""
    return {"action": action, ACTION_CHECKBOX_NAME: [str(session.pk) for session in chosen], "index": "0", **more}


def html(response):
    assert response.status_code == 200
    return response.content.decode()


def messages_of(response):
    return [str(message) for message in get_messages(response.wsgi_request)]


def stored(session):
    return RefreshToken.objects.with_clock().select_related("user").get(pk=session.pk)


def is_live(session):
    row = stored(session)
    return row.revoked_at is None and not row.signed_out


def statements(call):
    """Return how many statements a call sends to the database."""
    with CaptureQueriesContext(connection) as captured:
        call()
    return len(captured)


@contextmanager
def revocations():
    """Collect what ``session_revoked`` says: id, reason and who."""
    heard = []

    def receiver(sender, session, reason, by, **kwargs):
        heard.append((session.pk, reason, by))

    signals.session_revoked.connect(receiver, sender=RefreshToken)
    try:
        yield heard
    finally:
        signals.session_revoked.disconnect(receiver, sender=RefreshToken)
