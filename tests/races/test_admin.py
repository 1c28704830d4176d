"""Operators beside other writers, also under ``ATOMIC_REQUESTS``."""

import pytest
from django.contrib.auth import get_user_model
from django.db import connections
from django.test import Client

from django_jwtauth import sessions
from tests.tools.admin import LIST, page, selected

from .crowd import aged_sessions, refresh, some, users

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(params=[False, True], ids=["", "atomic"])
def atomic_requests(request, monkeypatch):
    monkeypatch.setitem(connections.settings["default"], "ATOMIC_REQUESTS", request.param)


def browser(root):
    client = Client()
    client.force_login(root)
    return client


def acts_on(browsers, one, two, three, four):
    return [
        lambda: browsers[0].post(page(one, "revoke")),
        lambda: browsers[1].post(LIST, selected("revoke_selected", two, confirmed="yes")),
        lambda: browsers[2].post(f"{LIST}user/{three.user_id}/"),
        lambda: browsers[3].post(LIST, selected("sign_out_users", four, confirmed="yes")),
    ]


def test_what_an_operator_does_beside_others_is_done(together, atomic_requests, settings):
    rates = dict.fromkeys(["login", "login_address", "login_username", "refresh"])
    settings.JWTAUTH = {**settings.JWTAUTH, "THROTTLE_RATES": rates}
    root = get_user_model().objects.create_superuser("root")
    browsers = [browser(root) for _ in range(4)]
    owners = [user for user in users(8) if user != root]
    for _ in range(some(20)):
        pairs = aged_sessions(8, *owners)
        acted_on = [pair.session for pair in pairs[:4]]
        acts = acts_on(browsers, *acted_on)
        others = [lambda pair=pair: refresh(pair.refresh) for pair in pairs[4:]]
        starts = [lambda owner=owner: sessions.start(owner) for owner in owners[4:]]
        done = together(*acts, *others, *starts)
        assert [answer.status_code for answer in done[:4]] == [302] * 4
        assert {answer.status_code for answer in done[4:8]} == {200}
        for session in acted_on:
            session.refresh_from_db()
            assert session.revoked_reason == "admin"
