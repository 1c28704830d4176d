"""OAuth clients of others: they find the token endpoint by the metadata, sign in, refresh, and understand refusals."""

import json

import pytest
from authlib.integrations.base_client import OAuthError
from authlib.integrations.requests_client import OAuth2Session as AuthlibSession
from oauthlib.oauth2 import LegacyApplicationClient
from oauthlib.oauth2.rfc6749 import errors
from requests_oauthlib import OAuth2Session

from .issuers import Issuer, claims_of
from .serve import PASSWORD
from .verifiers import get

SCOPE = "orders:read orders:write"


@pytest.fixture(scope="module")
def metadata(tmp_path_factory):
    scopes = {"SCOPES": SCOPE.split(), "REFRESH_GRACE_PERIOD": 0}
    with Issuer(tmp_path_factory.mktemp("issuer"), "ES256", **scopes) as issuer:
        yield json.loads(get(f"{issuer.url}/.well-known/oauth-authorization-server"))


@pytest.fixture(autouse=True)
def _http_to_this_machine(monkeypatch):
    monkeypatch.setenv("OAUTHLIB_INSECURE_TRANSPORT", "1")
    monkeypatch.setenv("AUTHLIB_INSECURE_TRANSPORT", "1")


def sessions_url(metadata):
    return metadata["token_endpoint"].replace("/token/", "/sessions/")


# requests-oauthlib


def oauthlib_session(scope=SCOPE):
    return OAuth2Session(client=LegacyApplicationClient(client_id="shop", scope=scope.split()))


def fetch(session, metadata, **more):
    return session.fetch_token(metadata["token_endpoint"], **{"username": "ada", "password": PASSWORD, **more})


@pytest.mark.parametrize("more", [{}, {"include_client_id": True}, {"client_secret": "ignored"}], ids=str)
def test_requests_oauthlib_signs_in_and_calls(metadata, more):
    session = oauthlib_session()
    token = fetch(session, metadata, **more)
    assert claims_of(token["access_token"])["scope"] == SCOPE
    assert session.get(sessions_url(metadata)).json()["count"] >= 1


def test_requests_oauthlib_refreshes(metadata):
    session = oauthlib_session()
    before = fetch(session, metadata)
    after = session.refresh_token(metadata["token_endpoint"])
    assert after["refresh_token"] != before["refresh_token"]
    assert claims_of(after["access_token"])["sid"] == claims_of(before["access_token"])["sid"]


def test_requests_oauthlib_refreshes_by_itself(metadata):
    saved = []
    session = oauthlib_session()
    token = fetch(session, metadata)
    expired = {**token, "expires_at": 1, "expires_in": -1}
    session = OAuth2Session(
        "shop", token=expired, auto_refresh_url=metadata["token_endpoint"], token_updater=saved.append
    )
    assert session.get(sessions_url(metadata)).status_code == 200
    assert saved[0]["refresh_token"] != token["refresh_token"]


def test_requests_oauthlib_understands_refusals(metadata):
    with pytest.raises(errors.InvalidGrantError, match="No active account"):
        fetch(oauthlib_session(), metadata, password="wrong")
    session = oauthlib_session()
    first = dict(fetch(session, metadata))
    session.refresh_token(metadata["token_endpoint"])
    with pytest.raises(errors.InvalidGrantError):  # used before: the session has ended
        session.refresh_token(metadata["token_endpoint"], refresh_token=first["refresh_token"])
    with pytest.raises(errors.InvalidScopeError):
        fetch(oauthlib_session('a"b'), metadata)


# Authlib


def authlib_session(metadata, **more):
    return AuthlibSession(
        "shop",
        scope=SCOPE,
        token_endpoint=metadata["token_endpoint"],
        revocation_endpoint=metadata["revocation_endpoint"],
        **more,
    )


@pytest.mark.parametrize(
    "more",
    [
        {"token_endpoint_auth_method": "none"},
        {"client_secret": "ignored"},
        {"client_secret": "ignored", "token_endpoint_auth_method": "client_secret_post"},
    ],
    ids=str,
)
def test_authlib_signs_in_refreshes_and_revokes(metadata, more):
    with authlib_session(metadata, **more) as session:
        before = session.fetch_token(username="ada", password=PASSWORD)
        assert claims_of(before["access_token"])["scope"] == SCOPE
        assert session.get(sessions_url(metadata)).status_code == 200
        after = session.refresh_token()
        assert after["refresh_token"] != before["refresh_token"]
        gone = session.revoke_token(metadata["revocation_endpoint"], token=after["refresh_token"])
        assert gone.status_code == 200
        with pytest.raises(OAuthError, match="invalid_grant"):
            session.refresh_token()


def test_authlib_refreshes_by_itself(metadata):
    with authlib_session(metadata, token_endpoint_auth_method="none") as session:
        token = session.fetch_token(username="ada", password=PASSWORD)
        session.token = {**token, "expires_at": 1}
        assert session.get(sessions_url(metadata)).status_code == 200
        assert session.token["refresh_token"] != token["refresh_token"]


def test_authlib_understands_refusals(metadata):
    with authlib_session(metadata, token_endpoint_auth_method="none") as session:
        with pytest.raises(OAuthError) as refused:
            session.fetch_token(username="ada", password="wrong")
        assert refused.value.error == "invalid_grant"
        assert "No active account" in refused.value.description
        with pytest.raises(OAuthError) as refused:
            session.fetch_token(grant_type="client_credentials")
        assert refused.value.error == "unsupported_grant_type"
