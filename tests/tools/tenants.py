"""Two tenants, each with its own tables, and the same users in both."""

import contextlib
import os
from contextvars import ContextVar

from django.contrib.auth import get_user_model
from django.http import Http404
from rest_framework.test import APIClient

from django_jwtauth import conf, revocation_cache, sessions
from django_jwtauth.models import RefreshToken
from tests.tools.issuers import make_old

WITH_SCHEMAS = os.environ["DJANGO_SETTINGS_MODULE"] == "tests.tenants.settings"
"""Whether the tenants are schemas of django-tenants. Otherwise they are databases in files."""
ACME, GLOBEX = "acme", "globex"
current_alias: ContextVar[str] = ContextVar("current_alias")


def name_alias():
    """``TENANT`` where the router goes by a context variable. Without a tenant it fails."""
    return current_alias.get()


@contextlib.contextmanager
def use_alias(name):
    """``TENANT_CONTEXT`` for the same."""
    token = current_alias.set(name)
    try:
        yield
    finally:
        current_alias.reset(token)


class AliasRouter:
    """Sends everything to the database of the current tenant."""

    def db_for_read(self, model, **hints):
        return current_alias.get()

    db_for_write = db_for_read

    def allow_relation(self, one, other, **hints):
        return one._state.db == other._state.db


class AliasMiddleware:
    """The tenant is the first label of the host."""

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        name = request.get_host().partition(".")[0]
        if name not in (ACME, GLOBEX):
            raise Http404
        with use_alias(name):
            return self.get_response(request)


class World:
    """The tenants of a test, whatever tells them apart."""

    def __init__(self, inside, settings):
        self.inside = inside
        """Returns a context manager in which a tenant is the current one."""
        self.settings = settings

    def client(self, name, **environ):
        """Return a client that calls the host of a tenant."""
        return APIClient(SERVER_NAME=f"{name}.example.com", **environ)

    def user(self, name, username="ada"):
        with self.inside(name):
            return get_user_model().objects.get(username=username)

    def sign_in(self, name, username="ada"):
        with self.inside(name):
            return sessions.start(self.user(name, username))

    def rows(self, name):
        """Return everything that a tenant's table of sessions holds."""
        with self.inside(name):
            return list(RefreshToken.objects.order_by("pk").values())

    def revoke_elsewhere(self, name, session):
        """End a session as another process would, of which this one learns from the tables only."""
        with self.inside(name):
            now = RefreshToken.objects.now()
            RefreshToken.objects.filter(pk=session.pk).update(revoked_at=now, revoked_reason="admin")

    def make_list_old(self, name, seconds=3):
        make_old(revocation_cache._lists.get(name), seconds)

    def age_of_list(self, name):
        with self.inside(name):
            return revocation_cache._lists.get(name).age()

    def verify(self, name, raw):
        with self.inside(name):
            return conf.get_config().verifier.verify(raw)
