"""A user goes on as long as Django would load them: what backends, managers and the project's rule say counts."""

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.backends import BaseBackend, ModelBackend
from django.contrib.auth.models import UserManager
from django.db import models
from django.test import override_settings

from django_jwtauth import sessions
from django_jwtauth.authentication import JWTAuthentication
from django_jwtauth.errors import InvalidTokenError
from tests.tools.http import bearer
from tests.tools.sessions import age_of_code, refusal, row

HERE = "tests.sessions.test_who_may_go_on."
CREDENTIALS = {"username": "ada", "password": "correct horse"}
DJANGOS = "django.contrib.auth.backends.ModelBackend"


class Rules(ModelBackend):
    """Refuses some users by what it sees of them."""

    def user_can_authenticate(self, user):
        return super().user_can_authenticate(user) and user.first_name != "blocked"


class Loads(ModelBackend):
    """Loads users in its own way."""

    def get_user(self, user_id):
        user = super().get_user(user_id)
        if user is not None and user.last_name == "gone":
            raise get_user_model().DoesNotExist
        return user


class LoadsOthers(BaseBackend):
    """Knows nobody whose name it does not know."""

    def get_user(self, user_id):
        return get_user_model().objects.filter(pk=user_id, username="eve").first()


class Anyone(ModelBackend):
    def user_can_authenticate(self, user):
        return True


class Silent:
    """Only authenticates, or only grants permissions."""


class SilentToo(BaseBackend):
    pass


def backends(*names):
    return override_settings(AUTHENTICATION_BACKENDS=[name if "." in name else HERE + name for name in names])


def change(user, **changes):
    get_user_model().objects.filter(pk=user.pk).update(**changes)


def answers(client, pair):
    """What a request, the verification of both tokens, and a refresh are answered."""
    responses = [
        client.get("/whoami/", **bearer(pair.access)),
        client.post("/auth/token/verify/", {"token": pair.access}),
        client.post("/auth/token/verify/", {"token": pair.refresh}),
        client.post("/auth/token/refresh/", {"refresh": pair.refresh}),
    ]
    return {
        (response.status_code, response.json().get("reason"), response.json().get("code")) for response in responses
    }


ACCEPTED = {(200, None, None)}
REFUSED = {(401, "user_inactive", "user_inactive")}


@pytest.mark.parametrize(
    ("backend", "changes"),
    [
        ("Rules", {"first_name": "blocked"}),
        ("Loads", {"last_name": "gone"}),
        ("Loads", {"is_active": False}),
        ("Anyone", {"is_active": False}),
    ],
)
def test_whom_the_backend_does_not_load_any_more_is_refused_and_may_come_back(client, user, backend, changes):
    with backends(backend):
        pair = sessions.start(user)
        assert answers(client, pair) == ACCEPTED
        change(user, **changes)
        assert answers(client, pair) == REFUSED
        assert client.get("/stateless/", **bearer(pair.access)).status_code == 200  # until its next refresh
        assert row(pair.session)["revoked_at"] is None
        change(user, first_name="", last_name="", is_active=True)
        assert answers(client, pair) == ACCEPTED


@pytest.mark.parametrize(("backend", "more"), [(DJANGOS, 0), ("Rules", 0), ("Silent", 0), ("Loads", 1)])
def test_what_it_costs(client, user, backend, more, django_assert_num_queries):
    with backends(backend):
        pair = sessions.start(user)
        with django_assert_num_queries(1 + more):
            assert client.get("/whoami/", **bearer(pair.access)).status_code == 200
        age_of_code(pair)
        with django_assert_num_queries(2 + more):
            sessions.refresh(pair.refresh)


@pytest.mark.parametrize("backend", [DJANGOS, "Rules", "Loads"])
def test_a_sign_in_costs_no_more(client, user, backend, django_assert_max_num_queries):
    with backends(backend), django_assert_max_num_queries(4):
        assert client.post("/auth/token/", CREDENTIALS).status_code == 200


def test_a_backend_that_is_taken_away_takes_its_sessions_with_it(client, user):
    with backends("Rules", DJANGOS):
        pair = sessions.start(user)
        assert row(pair.session)["backend"] == HERE + "Rules"
    with backends("Loads", DJANGOS):
        assert answers(client, pair) == REFUSED
    with backends("Loads", "Rules"):
        assert answers(client, pair) == ACCEPTED


def test_the_backend_is_the_one_that_signed_the_user_in(client, user):
    with backends("LoadsOthers", DJANGOS, "Rules"):
        tokens = client.post("/auth/token/", CREDENTIALS).json()
        session = sessions.find_by_refresh_token(tokens["refresh"])
        assert session.backend == DJANGOS
        assert session.user == user


@pytest.mark.parametrize(
    ("configured", "expected"),
    [
        (["Rules"], "Rules"),
        (["Silent"], "Silent"),
        (["Silent", "SilentToo", "Rules"], "Rules"),
        (["Silent", "SilentToo"], "Silent"),
        (["LoadsOthers", "Loads", "Rules"], "Loads"),
        ([], ""),
    ],
)
def test_if_nobody_has_said_so_it_is_the_first_that_would_load_the_user(client, user, configured, expected):
    with backends(*configured):
        pair = sessions.start(user)
        assert row(pair.session)["backend"] == (HERE + expected if expected else "")
        assert answers(client, pair) == ACCEPTED


def test_a_backend_may_be_chosen(client, user):
    with backends(DJANGOS, "Rules"):
        pair = sessions.start(user, backend=HERE + "Rules")
        change(user, first_name="blocked")
        assert answers(client, pair) == REFUSED
        with pytest.raises(ValueError, match="not one of AUTHENTICATION_BACKENDS"):
            sessions.start(user, backend=HERE + "Loads")


@pytest.mark.parametrize("noted", ["no.such.Backend", "", None, 7])
def test_a_note_that_names_no_backend_is_none(user, noted):
    user.backend = noted  # such as a field of the project's
    assert row(sessions.start(user).session)["backend"] == DJANGOS


@pytest.mark.parametrize(
    ("configured", "name"), [(["Rules"], "blocked"), (["LoadsOthers", "Loads"], "gone"), (["LoadsOthers"] * 2, "")]
)
def test_whom_no_backend_lets_in_gets_no_session(user, configured, name):
    change(user, first_name=name, last_name=name)
    user.refresh_from_db()
    with backends(*configured):
        for arguments in ({}, {"actor": get_user_model().objects.create_user("bob")}):
            with pytest.raises(InvalidTokenError) as caught:
                sessions.start(user, **arguments)
            assert caught.value.reason == "user_inactive"


@pytest.mark.parametrize(
    ("backend", "changes"), [("Rules", {"first_name": "blocked"}), ("Loads", {"last_name": "gone"})]
)
def test_an_actor_goes_on_by_the_backend_that_signed_the_actor_in(client, user, staff, backend, changes):
    with backends(DJANGOS, backend):
        staff.backend = HERE + backend
        pair = sessions.start(user, actor=staff, refreshable=True)
        saved = row(pair.session)
        assert (saved["backend"], saved["actor_backend"]) == (DJANGOS, HERE + backend)
        assert answers(client, pair) == ACCEPTED
        change(staff, **changes)
        assert answers(client, pair) == REFUSED


def test_the_user_of_a_request_brings_the_backend_along(rf, user):
    """So a session that starts from there, of the user or of the user as an actor, is judged by the same one."""
    with backends(DJANGOS, "Rules"):
        access = sessions.start(user, backend=HERE + "Rules").access
        known, _ = JWTAuthentication().authenticate_token(access)
        assert row(sessions.start(known).session)["backend"] == HERE + "Rules"
    with backends():
        unknown, _ = JWTAuthentication().authenticate_token(sessions.start(user).access)
    assert not hasattr(unknown, "backend")


def test_an_attribute_of_the_project_that_is_called_backend_stays(user, monkeypatch):
    monkeypatch.setattr(get_user_model(), "backend", "ldap", raising=False)
    known, _ = JWTAuthentication().authenticate_token(sessions.start(user).access)
    assert known.backend == "ldap"


# Managers


class Present(UserManager):
    def get_queryset(self):
        return super().get_queryset().exclude(first_name="hidden")


class Careful(UserManager):
    def get(self, *args, **kwargs):
        return super().get(*args, **kwargs)


class CarefulQuerySet(models.QuerySet):
    def get(self, *args, **kwargs):
        return super().get(*args, **kwargs)


class TalkativeQuerySet(models.QuerySet):
    """Adds words, and overrides none."""

    def active(self):
        return self.filter(is_active=True)


@pytest.fixture
def manage(monkeypatch):
    """Give the user model another default manager."""

    def manage(manager):
        manager.model, manager.name = get_user_model(), "objects"
        monkeypatch.setitem(get_user_model()._meta.__dict__, "default_manager", manager)

    return manage


def test_whom_the_default_manager_hides_is_refused(client, user, staff, manage):
    pair, acting = sessions.start(user), sessions.start(staff, actor=user, refreshable=True)
    manage(Present())
    assert answers(client, pair) == answers(client, acting) == ACCEPTED
    get_user_model()._base_manager.filter(pk=user.pk).update(first_name="hidden")
    assert answers(client, pair) == answers(client, acting) == REFUSED
    assert client.post("/auth/token/", CREDENTIALS).status_code == 401


@pytest.mark.parametrize(
    ("manager", "more"),
    [
        (models.Manager(), 0),
        (UserManager(), 0),
        (UserManager.from_queryset(TalkativeQuerySet)(), 0),
        (TalkativeQuerySet.as_manager(), 0),
        (Present(), 1),
        (Careful(), 1),
        (UserManager.from_queryset(CarefulQuerySet)(), 1),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_manager_is_asked_if_it_may_say_something_else(
    client, pair, manage, manager, more, django_assert_num_queries
):
    manage(manager)
    with django_assert_num_queries(1 + more):
        assert client.get("/whoami/", **bearer(pair.access)).status_code == 200


# The project's rule


def is_no_robot(user):
    return user.username != "robot" and user.first_name != "blocked"


async def async_rule(user):
    return True  # pragma: no cover - it never runs


def vague_rule(user):
    return user.username


@pytest.mark.parametrize("rule", [is_no_robot, HERE + "is_no_robot"], ids=["function", "path"])
def test_a_rule_of_the_project_refuses_more(client, user, staff, settings, rule):
    settings.JWTAUTH = {"USER_AUTHENTICATION_RULE": rule}
    robot = get_user_model().objects.create_user("robot", password="x")
    assert client.post("/auth/token/", {"username": "robot", "password": "x"}).json()["reason"] == "credentials"
    with pytest.raises(InvalidTokenError):
        sessions.start(robot)
    pair, acting = sessions.start(user), sessions.start(staff, actor=user, refreshable=True)
    assert answers(client, pair) == answers(client, acting) == ACCEPTED
    change(user, first_name="blocked")
    assert answers(client, pair) == answers(client, acting) == REFUSED
    change(user, first_name="", is_active=False)
    assert answers(client, pair) == REFUSED  # it cannot let in whom Django refuses


@pytest.mark.filterwarnings("ignore:coroutine:RuntimeWarning")
@pytest.mark.parametrize("rule", ["async_rule", "vague_rule"])
def test_a_rule_that_returns_no_bool_is_an_error(user, pair, rule):
    """A coroutine, for one, would count as true."""
    with override_settings(JWTAUTH={"USER_AUTHENTICATION_RULE": HERE + rule}):
        with pytest.raises(TypeError, match="must return a bool"):
            sessions.start(user)
        with pytest.raises(TypeError, match="must return a bool"):
            sessions.refresh(pair.refresh)


# What the row says counts too


def test_a_backend_that_reads_late_does_not_bring_an_old_password_back(user, monkeypatch):
    """A replica may lag behind: the session was bound again to a better hash, which the replica does not have yet."""
    with backends("Loads"):
        pair = sessions.start(user)
        old = get_user_model().objects.get()
        user.set_password("changed")
        sessions.save_password(user, keep=pair.session)
        monkeypatch.setattr(Loads, "get_user", lambda self, user_id: old)
        age_of_code(pair)
        renewed = sessions.refresh(pair.refresh)
        assert sessions.refresh(renewed.refresh).refresh == renewed.refresh
        change(user, is_active=False)
        assert refusal(renewed.refresh) == "user_inactive"  # though the old object is active
