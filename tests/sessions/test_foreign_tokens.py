"""The Python API takes access tokens themselves, and refuses those of other issuers: their ids may be those of ours."""

import pytest
from django.db import transaction
from django.test import override_settings
from django.urls import path

from django_jwtauth import sessions
from django_jwtauth.authentication import StatelessJWTAuthentication
from django_jwtauth.errors import InvalidTokenError
from django_jwtauth.models import BlacklistedToken
from django_jwtauth.verifier import AccessToken
from django_jwtauth.views import AuthenticatedView, LogoutView
from tests.tools.http import bearer
from tests.tools.issuers import AUDIENCE, Issuer, Server
from tests.tools.sessions import row

in_transaction = transaction.atomic  # as a decorator

USES = {
    "revoke": lambda token, user: sessions.revoke(token),
    "step_up": lambda token, user: sessions.step_up(token, amr=["pwd"]),
    "keep": lambda token, user: in_transaction(sessions.keep)(token, user),
    "blacklist": lambda token, user: sessions.blacklist(token),
}
SESSIONS_ONLY = {name: use for name, use in USES.items() if name != "blacklist"}


@pytest.fixture
def issuer():
    server = Server()
    issuer = Issuer(server)
    trusted = {issuer.url: {"audience": AUDIENCE, "revocations_url": None}}
    with override_settings(JWTAUTH={"TRUSTED_ISSUERS": trusted}):
        yield issuer
    server.stop()


def verified(raw):
    return StatelessJWTAuthentication().authenticate_token(raw)


def refusal(use, *arguments):
    with pytest.raises(InvalidTokenError) as caught:
        use(*arguments)
    return caught.value.reason


@pytest.mark.parametrize("use", USES.values(), ids=USES)
def test_a_token_of_another_issuer_does_nothing_to_the_session_with_the_same_id(issuer, pair, use):
    _, token = verified(issuer.token(sub=str(pair.session.user_id), sid=str(pair.session.pk)))
    before = row(pair.session)
    assert refusal(use, token, pair.session.user) == "wrong_issuer"
    assert row(pair.session) == before
    assert not BlacklistedToken.objects.exists()


@pytest.mark.parametrize("use", SESSIONS_ONLY.values(), ids=SESSIONS_ONLY)
@pytest.mark.parametrize(
    ("sid", "reason"), [("session-1", "invalid"), ("8D3E5F66-1D2B-4A6C-9C55-0D6F2B7A9E10", "invalid"), ("", "no_token")]
)
def test_an_odd_session_in_a_token_of_ours_is_a_refusal(user, pair, use, sid, reason):
    _, token = verified(pair.access)
    assert refusal(use, AccessToken.from_claims({**token.claims, "sid": sid}), user) == reason


def test_a_token_of_ours_stands_for_its_session(user):
    first, second, third = (verified(sessions.start(user).access)[1] for _ in range(3))
    assert sessions.step_up(first, amr=["otp"]).amr == ["otp"]
    assert sessions.revoke(second) == 1
    sessions.blacklist(third)
    user.set_password("battery staple")
    sessions.save_password(user, keep=first)
    assert refusal(in_transaction(sessions.keep), second, user) == "revoked"


@pytest.mark.parametrize("several", [False, True])
def test_a_stateless_user_is_no_user_of_the_model(issuer, pair, several):
    for raw in (issuer.token(sub=str(pair.session.user_id)), pair.access):
        stateless, _ = verified(raw)
        with pytest.raises(TypeError, match="StatelessUser"):
            sessions.revoke_all([stateless] if several else stateless)
        with pytest.raises(TypeError, match="StatelessUser"):
            sessions.start(stateless)
        with pytest.raises(TypeError, match="StatelessUser"):
            sessions.start(pair.session.user, actor=stateless)
        with pytest.raises(TypeError, match="StatelessUser"):
            in_transaction(sessions.keep)(pair.session, stateless)
    assert row(pair.session)["revoked_at"] is None


class StatelessLogout(LogoutView):
    authentication_classes = (StatelessJWTAuthentication,)


class Opened(AuthenticatedView):
    authentication_classes = ()
    permission_classes = ()

    def get(self, request):
        return {"sid": self.sid}


urlpatterns = [path("logout/", StatelessLogout.as_view()), path("open/", Opened.as_view())]


@pytest.mark.urls(__name__)
@pytest.mark.parametrize("sid", [None, "session-1"])
def test_a_view_that_takes_tokens_of_other_issuers_ends_no_session_of_ours(client, issuer, pair, sid):
    raw = issuer.token(sub=str(pair.session.user_id), sid=sid or str(pair.session.pk))
    response = client.post("/logout/", **bearer(raw))
    assert (response.status_code, response.json()["reason"]) == (401, "wrong_issuer")
    assert row(pair.session)["revoked_at"] is None
    assert client.post("/logout/", **bearer(pair.access)).status_code == 204
    assert row(pair.session)["revoked_reason"] == "logout"


@pytest.mark.urls(__name__)
def test_a_view_without_a_token_has_no_session(client):
    response = client.get("/open/")
    assert (response.status_code, response.json()["reason"]) == (401, "no_token")
