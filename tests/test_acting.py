"""Acting as somebody else (RFC 8693): what the tokens say, what ends it, and what cannot be made of it."""

import datetime
import logging

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.test import override_settings
from django.urls import include, path
from rest_framework.permissions import IsAuthenticated
from rest_framework.response import Response
from rest_framework.test import APIRequestFactory
from rest_framework.views import APIView

from django_jwtauth import conf, revocation_cache, sessions
from django_jwtauth.authentication import JWTAuthentication, StatelessJWTAuthentication
from django_jwtauth.errors import ClaimsHookError, InvalidTokenError
from django_jwtauth.models import RefreshToken
from django_jwtauth.permissions import RecentLogin
from django_jwtauth.views import TokenView

from .conftest import bearer
from .test_sessions import age_of_code, between, change, claims_of, refusal, row  # noqa: F401 (a fixture)

MINUTES = datetime.timedelta(minutes=1)


class ActAs(APIView):
    """What a project writes."""

    def post(self, request, username):
        user = get_user_model().objects.get(username=username)
        pair = sessions.start(user, actor=request.user, request=request._request)
        return Response({"access": pair.access, "expires_in": pair.expires_in})


class PersonalToken(APIView):
    """A view that gives a session of its own to whoever is signed in."""

    def post(self, request):
        return Response({"refresh": sessions.start(request.user, request=request).refresh})


class ChangePassword(APIView):
    def post(self, request):
        with transaction.atomic():
            request.user.set_password(request.data["password"])
            request.user.save()
            sessions.keep(request.auth.sid, request.user)
        return Response(status=204)


class Careful(APIView):
    permission_classes = [IsAuthenticated, RecentLogin(max_age=3600)]

    def get(self, request):
        return Response()


class ActingTokenView(TokenView):
    """A sign-in that is answered without a refresh token."""

    def start(self, request, user, *, scope, audience):
        return sessions.start(user, request=request._request, scope=scope, audience=audience, refreshable=False)


urlpatterns = [
    path("auth/", include("django_jwtauth.urls")),
    path("act-as/<username>/", ActAs.as_view()),
    path("personal/", PersonalToken.as_view()),
    path("password/", ChangePassword.as_view()),
    path("careful/", Careful.as_view()),
    path("unrefreshable/", ActingTokenView.as_view()),
]


@pytest.fixture
def staff(db):
    return get_user_model().objects.create_user("bob", password="battery staple", is_staff=True)


@pytest.fixture
def acting(user, staff):
    return sessions.start(user, actor=staff)


@pytest.fixture
def lasting(user, staff):
    return sessions.start(user, actor=staff, refreshable=True)


# What it is


def test_the_tokens_say_who_acts_and_not_when_the_user_signed_in(acting, user, staff):
    claims = claims_of(acting.access)
    assert (claims["sub"], claims["act"]) == (str(user.pk), {"sub": str(staff.pk)})
    assert "auth_time" not in claims
    assert conf.get_config().verifier.verify(acting.access).actor == str(staff.pk)
    assert conf.get_config().verifier.verify(sessions.start(user).access).actor == ""


@override_settings(JWTAUTH={"SUBJECT_FIELD": "username"})
def test_the_actor_is_named_as_all_users_are(user, staff):
    pair = sessions.start(user, actor=staff)
    assert claims_of(pair.access)["act"] == {"sub": "bob"}
    assert JWTAuthentication().authenticate_token(pair.access)[0] == user


def test_it_ends_with_the_access_token(acting, client):
    assert (acting.refresh, acting.refresh_expires_in) == ("", 0)
    claims = claims_of(acting.access)
    assert claims["exp"] - claims["iat"] == acting.expires_in == 300
    assert acting.session.expires_at - acting.session.created_at == 5 * MINUTES
    assert client.get("/whoami/", **bearer(acting.access)).status_code == 200
    assert RefreshToken.objects.live(acting.session.created_at + 4 * MINUTES).exists()
    assert not RefreshToken.objects.live(acting.session.created_at + 5 * MINUTES).exists()


def test_it_lasts_only_where_that_is_said_and_says_so_ever_after(lasting, staff):
    pair = lasting
    for _ in range(3):
        age_of_code(pair)
        pair = sessions.refresh(pair.refresh)
        claims = claims_of(pair.access)
        assert claims["act"] == {"sub": str(staff.pk)}
        assert "auth_time" not in claims
    assert sessions.refresh(pair.refresh).refresh == pair.refresh


def test_who_acts_and_as_whom_is_logged(user, staff, caplog):
    caplog.set_level(logging.INFO, "django_jwtauth.security")
    pair = sessions.start(user, actor=staff)
    expected = f"Session {pair.session.pk}: {staff.pk} acts as user {user.pk}."
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [("WARNING", expected)]


def test_the_user_sees_it_among_his_devices_and_can_end_it(client, user, acting, staff):
    pair = sessions.start(user)
    listed = client.get("/auth/sessions/", **bearer(pair.access)).json()["results"]
    assert {entry["id"]: entry["actor"] for entry in listed} == {
        str(pair.session.pk): "",
        str(acting.session.pk): str(staff.pk),
    }
    assert client.delete(f"/auth/sessions/{acting.session.pk}/", **bearer(pair.access)).status_code == 204
    assert client.get("/whoami/", **bearer(acting.access)).json()["reason"] == "revoked"


def test_introspection_says_who_acts(client, staff, acting, lasting):
    staff.user_permissions.add(Permission.objects.get(codename="introspect_token"))
    own = bearer(sessions.start(staff).access)
    act = {"sub": str(staff.pk)}
    described = client.post("/auth/token/introspect/", {"token": acting.access}, **own).json()
    assert (described["active"], described["act"], "auth_time" in described) == (True, act, False)
    body = {"token": lasting.refresh, "token_type_hint": "refresh_token"}
    described = client.post("/auth/token/introspect/", body, **own).json()
    assert (described["active"], described["act"]) == (True, act)
    body = {"token": sessions.start(staff).refresh, "token_type_hint": "refresh_token"}
    assert "act" not in client.post("/auth/token/introspect/", body, **own).json()


@pytest.mark.urls(__name__)
def test_an_answer_without_a_refresh_token_has_no_such_member(client, user):
    body = {"username": "ada", "password": "correct horse"}
    answer = client.post("/unrefreshable/", body, format="json").json()
    assert set(answer) == {"access", "token_type", "expires_in"}
    assert {*client.post("/auth/token/", body, format="json").json()} == {*answer, "refresh", "refresh_expires_in"}


def test_it_costs_two_statements(user, staff, django_assert_num_queries):
    with django_assert_num_queries(2):
        sessions.start(user, actor=staff)


def test_each_request_looks_up_the_actor_too(acting, django_assert_num_queries):
    with django_assert_num_queries(2):
        JWTAuthentication().authenticate_token(acting.access)


# Who may not


def test_nobody_acts_as_a_superuser_unless_that_is_allowed(user, staff):
    user.is_superuser = True
    with pytest.raises(PermissionDenied):
        sessions.start(user, actor=staff)
    with pytest.raises(PermissionDenied):
        sessions.start(user, actor=staff, refreshable=True)
    assert not RefreshToken.objects.exists()
    pair = sessions.start(user, actor=staff, allow_superuser=True)
    assert (claims_of(pair.access)["act"], pair.refresh) == ({"sub": str(staff.pk)}, "")
    with pytest.raises(PermissionDenied):
        sessions.start(user, actor=staff, allow_superuser=True, refreshable=True)
    # Who signs in himself is not concerned.
    assert sessions.start(user).refresh


def test_who_becomes_a_superuser_meanwhile_is_acted_as_no_longer_than_an_access_token_lives(user, lasting):
    age_of_code(lasting)
    before = row(lasting.session)
    user.is_superuser = True
    user.save()
    assert refusal(lasting.refresh) == "revoked"
    assert row(lasting.session) == before
    # Nor does that concern a session of his own.
    assert sessions.refresh(sessions.start(user).refresh)


def test_nobody_acts_as_himself(staff):
    for actor in (staff, get_user_model().objects.get(pk=staff.pk)):
        with pytest.raises(PermissionDenied):
            sessions.start(staff, actor=actor, allow_superuser=True)


@pytest.mark.parametrize("who", ["user", "staff"])
def test_neither_of_the_two_may_be_inactive(user, staff, who):
    {"user": user, "staff": staff}[who].is_active = False
    with pytest.raises(InvalidTokenError, match="user_inactive"):
        sessions.start(user, actor=staff)
    assert not RefreshToken.objects.exists()


def failing(user, *, request, session):
    raise RuntimeError


@override_settings(JWTAUTH={"CLAIMS_HOOKS": ["tests.test_acting.failing"]})
def test_a_hook_that_fails_leaves_nothing_and_nothing_in_the_log(user, staff, caplog):
    with pytest.raises(ClaimsHookError):
        sessions.start(user, actor=staff)
    assert not RefreshToken.objects.exists()
    assert "acts as" not in caplog.text


# What ends it


def _sign_out_everywhere(staff):
    sessions.revoke_all(staff)


def _deactivate(staff):
    staff.is_active = False
    staff.save()


def _deactivate_alone(staff):
    staff.is_active = False
    staff.save(update_fields=["is_active"])


def _delete(staff):
    staff.delete()


def _delete_by_query(staff):
    get_user_model().objects.filter(pk=staff.pk).delete()


def _change_password(staff):
    staff.set_password("changed")
    staff.save()


def _assign_hash(staff):
    sessions.start(staff)
    staff.password = "md5$another$hash"
    staff.save(update_fields=["password"])


def _everyone(staff):
    sessions.revoke_everyone()


ENDINGS = [
    _sign_out_everywhere,
    _deactivate,
    _deactivate_alone,
    _delete,
    _delete_by_query,
    _change_password,
    _assign_hash,
    _everyone,
]


@pytest.mark.parametrize("of", ["actor", "user"])
@pytest.mark.parametrize("end", ENDINGS)
def test_it_ends_with_the_actor_and_with_the_user(
    client, user, staff, acting, lasting, end, of, django_capture_on_commit_callbacks
):
    """Here at once, by the revocation list too; and so everywhere else when that is read."""
    bystander = sessions.start(get_user_model().objects.create_user("eve"), actor=_third())
    own = sessions.start(user)
    for pair in (acting, lasting):
        assert client.get("/stateless/", **bearer(pair.access)).status_code == 200  # the list has been read
    with django_capture_on_commit_callbacks(execute=True):
        end({"actor": staff, "user": user}[of])
    for pair in (acting, lasting):
        for url in ("/whoami/", "/stateless/"):
            response = client.get(url, **bearer(pair.access))
            assert (response.status_code, response.json()["reason"]) == (401, "revoked"), url
    assert refusal(lasting.refresh) == "revoked"
    if end is not _everyone:
        for url in ("/whoami/", "/stateless/"):
            assert client.get(url, **bearer(bystander.access)).status_code == 200
            assert client.get(url, **bearer(own.access)).status_code == (200 if of == "actor" else 401)


def _third():
    return get_user_model().objects.create_user("carol", is_staff=True)


def _bulk_deactivate(staff):
    get_user_model().objects.filter(pk=staff.pk).update(is_active=False)


def _raw_delete(staff):
    get_user_model().objects.filter(pk=staff.pk)._raw_delete("default")


@pytest.mark.parametrize("change_actor", [_bulk_deactivate, _raw_delete])
def test_what_bypasses_save_acts_at_the_next_request_and_refresh(client, staff, acting, lasting, change_actor):
    change_actor(staff)
    for pair in (acting, lasting):
        response = client.get("/whoami/", **bearer(pair.access))
        assert (response.status_code, response.json()["reason"]) == (401, "user_inactive")
    assert refusal(lasting.refresh) == "user_inactive"


def test_an_actor_who_is_deactivated_in_the_moment_it_begins_does_not_outlive_that(client, user, staff):
    """Whoever has just been loaded looks active, and the ending finds no session yet."""
    loaded = get_user_model().objects.get(pk=staff.pk)
    _deactivate(staff)
    pair = sessions.start(user, actor=loaded, refreshable=True)
    assert client.get("/whoami/", **bearer(pair.access)).json()["reason"] == "user_inactive"
    assert refusal(pair.refresh) == "user_inactive"


def test_an_actor_who_is_deactivated_during_a_refresh_gets_nothing(staff, lasting, between):  # noqa: F811
    age_of_code(lasting)
    between(lambda session: _deactivate(staff))
    assert refusal(lasting.refresh) == "revoked"


@override_settings(JWTAUTH={"SUBJECT_FIELD": "username"})
def test_another_name_is_not_another_life(client, user, staff):
    pair = sessions.start(user, actor=staff, refreshable=True)
    staff.username = "robert"
    staff.save()
    assert client.get("/whoami/", **bearer(pair.access)).json()["reason"] == "user_inactive"
    assert refusal(pair.refresh) == "user_inactive"


@pytest.mark.parametrize("field", ["pk", "username"])
def test_an_actor_of_another_subject_field_is_nobody(user, staff, field):
    with override_settings(JWTAUTH={"SUBJECT_FIELD": {"pk": "username", "username": "pk"}[field]}):
        pair = sessions.start(user, actor=staff, refreshable=True)
    with override_settings(JWTAUTH={"SUBJECT_FIELD": field}):
        assert refusal(pair.refresh) == "user_inactive"


@override_settings(JWTAUTH={"SUBJECT_FIELD": "email"})
def test_an_actor_without_a_subject_is_no_obstacle(user):
    nameless = get_user_model().objects.create_user("nameless")
    assert sessions.revoke_all(nameless) == 0
    nameless.delete()


@pytest.mark.parametrize("own", [0, 1])
def test_signing_the_actor_out_in_the_admin_ends_it(client, staff, acting, own):
    for _ in range(own):
        sessions.start(staff)
    root = get_user_model().objects.create_superuser("root")
    client.force_login(root)
    assert client.post(f"/admin/django_jwtauth/refreshtoken/user/{staff.pk}/", {"reason": "theft"}).status_code == 302
    ended = row(acting.session)
    assert (ended["revoked_reason"], ended["revoked_by_id"]) == ("theft", root.pk)


def test_the_number_says_how_many_sessions_were_the_users_own(staff, acting):
    sessions.start(staff)
    assert sessions.revoke_all(staff) == 1
    assert row(acting.session)["revoked_reason"] == "logout_all"


def test_saving_an_actor_as_he_is_ends_nothing(client, staff, acting):
    staff.save()
    staff.check_password("battery staple")
    assert client.get("/whoami/", **bearer(acting.access)).status_code == 200


@override_settings(JWTAUTH={"MAX_SESSIONS_PER_USER": 2})
def test_the_limit_neither_counts_nor_ends_it(user, staff):
    own = [sessions.start(user)]
    acting = [sessions.start(user, actor=staff, refreshable=True) for _ in range(3)]
    own.append(sessions.start(user))
    assert not RefreshToken.objects.filter(revoked_at__isnull=False).exists()
    own.append(sessions.start(user))
    assert [row(pair.session)["revoked_reason"] for pair in own] == ["session_limit", "", ""]
    assert [row(pair.session)["revoked_reason"] for pair in acting] == [""] * 3


# What cannot be made of it


@pytest.mark.urls(__name__)
def test_nothing_that_needs_the_user_himself_is_had(client, acting, user):
    response = client.get("/careful/", **bearer(acting.access))
    assert response.status_code == 401
    assert 'error="insufficient_user_authentication", max_age="3600"' in response["WWW-Authenticate"]
    assert client.get("/careful/", **bearer(sessions.start(user).access)).status_code == 200


@pytest.mark.urls(__name__)
def test_no_session_of_the_users_own_is_had(client, acting, user):
    assert client.post("/personal/", **bearer(acting.access)).status_code == 403
    assert RefreshToken.objects.count() == 1
    assert client.post("/personal/", **bearer(sessions.start(user).access)).status_code == 200


@pytest.mark.urls(__name__)
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


@pytest.mark.urls(__name__)
def test_the_users_new_password_ends_it_even_if_it_set_that_itself(client, acting, user):
    before = user.password
    response = client.post("/password/", {"password": "mine"}, format="json", **bearer(acting.access))
    assert response.status_code == 403
    user.refresh_from_db()
    assert user.password == before  # in one transaction with the change

    user.set_password("changed")
    user.save()
    with pytest.raises(PermissionDenied):
        sessions.keep(acting.session, user)
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
    with override_settings(JWTAUTH={"CLAIMS_HOOKS": ["tests.test_acting.forget"]}):
        pair = sessions.start(user, actor=staff, refreshable=True)
        assert claims_of(pair.access)["act"] == claims_of(sessions.refresh(pair.refresh).access)["act"]
        assert row(pair.session)["actor"] == str(staff.pk)
    with (
        override_settings(JWTAUTH={"CLAIMS_HOOKS": ["tests.test_acting.claim"]}),
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
