"""One old refresh token becomes one session, however many requests come at the same moment."""

from io import StringIO

import pytest
from django.core.management import call_command
from rest_framework.test import APIClient
from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken

from django_jwtauth.contrib.simplejwt.models import ExchangedToken
from django_jwtauth.models import RefreshToken
from tests.races.crowd import assert_nothing_is_alive, refresh, some, users
from tests.tools.simplejwt import sign_in
from tests.tools.threads import CROWD

pytestmark = pytest.mark.django_db(transaction=True)
ROUNDS = some(12)


@pytest.mark.parametrize("threads", [2, CROWD])
def test_one_old_token_becomes_one_session(together, threads):
    for owner in users(ROUNDS):
        old = str(sign_in(owner))
        responses = together(*[lambda old=old: refresh(old)] * threads)
        assert [response.status_code for response in responses] == [200] * threads
        assert len({response.json()["refresh"] for response in responses}) == 1
        session = RefreshToken.objects.get(user=owner)
        assert (session.generation, session.revoked_at) == (0, None)
        assert session.replays == threads - 1
    assert ExchangedToken.objects.count() == RefreshToken.objects.count() == BlacklistedToken.objects.count() == ROUNDS


def test_an_imported_token_becomes_its_session(together):
    people = users(ROUNDS)
    tokens = [str(sign_in(owner)) for owner in people]
    call_command("jwtauth_import_simplejwt", stdout=StringIO())
    for owner, old in zip(people, tokens, strict=True):
        responses = together(*[lambda old=old: refresh(old)] * CROWD)
        assert [response.status_code for response in responses] == [200] * CROWD
        assert len({response.json()["refresh"] for response in responses}) == 1
        assert RefreshToken.objects.get(user=owner).revoked_at is None
    assert ExchangedToken.objects.count() == RefreshToken.objects.count() == BlacklistedToken.objects.count() == ROUNDS


@pytest.mark.parametrize("url", ["/auth/token/blacklist/", "/auth/token/revoke/"])
def test_signing_out_during_the_exchange_leaves_nothing_alive(together, url):
    for owner in users(ROUNDS):
        old = str(sign_in(owner))

        def sign_out(old=old):
            return APIClient().post(url, {"refresh": old, "token": old}, format="json")

        responses = together(*[lambda old=old: refresh(old)] * 4, sign_out, *[lambda old=old: refresh(old)] * 4)
        assert {response.status_code for response in responses} <= {200, 401}
        assert responses[4].status_code == 200
        pairs = [response.json() for response in responses if response.json().get("access")]
        assert_nothing_is_alive([pair["access"] for pair in pairs], [old, *[pair["refresh"] for pair in pairs]])
        assert RefreshToken.objects.filter(user=owner).count() == 1
