"""What somebody who acts as a user cannot do."""

import pytest
from django.contrib.auth import get_user_model
from django.core.exceptions import PermissionDenied
from django.test import override_settings
from rest_framework.test import APIRequestFactory

from django_jwtauth import conf, revocation_cache, sessions
from django_jwtauth.authentication import StatelessJWTAuthentication
from django_jwtauth.errors import ClaimsHookError, InvalidTokenError
from django_jwtauth.models import RefreshToken
from tests.tools.acting import _deactivate
from tests.tools.http import bearer
from tests.tools.sessions import claims_of, row

# What cannot be made of it


@pytest.mark.urls("tests.tools.acting")
def test_nothing_that_needs_the_user_himself_is_had(client, acting, user):
    response = client.get("/careful/", **bearer(acting.access))
    assert response.status_code == 401
    assert 'error="insufficient_user_authentication", max_age="3600"' in response["WWW-Authenticate"]
    assert client.get("/careful/", **bearer(sessions.start(user).access)).status_code == 200


@pytest.mark.urls("tests.tools.acting")
def test_no_session_of_the_users_own_is_had(client, acting, user):
    assert client.post("/personal/", **bearer(acting.access)).status_code == 403
    assert RefreshToken.objects.count() == 1
    assert client.post("/personal/", **bearer(sessions.start(user).access)).status_code == 200


@pytest.mark.urls("tests.tools.acting")
def test_who_acts_does_not_act_on(client, user, staff):
    """Or the third session would name the second person, and outlive the first."""
    other = get_user_model().objects.create_user("eve", is_staff=True)
    own = sessions.start(staff)
    answer = client.post("/act-as/eve/", **bearer(own.access)).json()
    assert claims_of(answer["access"])["act"] == {"sub": str(staff.pk)}
    assert client.post("/act-as/ada/", **bearer(answer["access"])).status_code == 403
    assert claims_of(client.post("/act-as/ada/", **bearer(sessions.start(other).access)).json()["access"])["act"] == {
        "sub": str(other.pk)
    }


def test_a_request_of_somebody_who_acts_may_start_sessions_of_others(user, staff, acting):
    """Going back to one's own account, say."""
    request = APIRequestFactory().get("/")
    request.auth = conf.get_config().verifier.verify(acting.access)
    assert sessions.start(staff, request=request).refresh
    request.auth = "some other library's"
    assert sessions.start(user, request=request).refresh


@pytest.mark.urls("tests.tools.acting")
def test_the_users_new_password_ends_it_even_if_it_set_that_itself(client, acting, user):
    before = user.password
    response = client.post("/password/", {"password": "mine"}, format="json", **bearer(acting.access))
    assert response.status_code == 403
    user.refresh_from_db()
    assert user.password == before  # in one transaction with the change

    user.set_password("changed")
    user.save()
    with pytest.raises(PermissionDenied):
        sessions.save_password(user, keep=acting.session)
    assert row(acting.session)["revoked_reason"] == "password_changed"


def test_a_refresh_cannot_leave_the_actor_out(client, lasting, staff):
    body = {"refresh": lasting.refresh, "actor": "", "act": None}
    answer = client.post("/auth/token/refresh/", body, format="json").json()
    assert claims_of(answer["access"])["act"] == {"sub": str(staff.pk)}


def forget(user, *, request, session):
    session.actor = ""
    return {}


def claim(user, *, request, session):
    return {"act": {"sub": "nobody"}}


def test_hooks_can_neither_remove_nor_change_it(user, staff):
    with override_settings(JWTAUTH={"CLAIMS_HOOKS": ["tests.sessions.test_acting_limits.forget"]}):
        pair = sessions.start(user, actor=staff, refreshable=True)
        assert claims_of(pair.access)["act"] == claims_of(sessions.refresh(pair.refresh).access)["act"]
        assert row(pair.session)["actor"] == str(staff.pk)
    with (
        override_settings(JWTAUTH={"CLAIMS_HOOKS": ["tests.sessions.test_acting_limits.claim"]}),
        pytest.raises(ClaimsHookError, match="act"),
    ):
        sessions.refresh(pair.refresh)


def test_a_service_without_a_database_sees_the_end_with_the_list(client, staff, acting):
    assert StatelessJWTAuthentication().authenticate_token(acting.access)[1].actor == str(staff.pk)
    _deactivate(staff)
    revocation_cache.mark_stale()
    with pytest.raises(InvalidTokenError) as caught:
        StatelessJWTAuthentication().authenticate_token(acting.access)
    assert caught.value.reason == "revoked"
