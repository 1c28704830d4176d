"""``manage.py jwtauth_issue``."""

import datetime
import io
import json
import os
import stat

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.backends import ModelBackend
from django.core.management import CommandError, call_command

from django_jwtauth import sessions
from django_jwtauth.errors import InvalidTokenError
from django_jwtauth.keys import Key, KeySet
from django_jwtauth.models import RefreshToken
from django_jwtauth.verifier import Verifier
from tests.tools.http import bearer
from tests.tools.processes import run_script

KEY = Key.generate("ES256")
STOCK = "https://stock.example.com"


def failing(user, *, request, session):
    raise ZeroDivisionError


def issue(*args):
    out = io.StringIO()
    call_command("jwtauth_issue", *args, stdout=out)
    return out.getvalue()


@pytest.fixture
def robot(db):
    robot = get_user_model().objects.create_user("robot")
    assert not robot.has_usable_password()
    return robot


def test_the_tokens_work_as_those_of_a_sign_in(client, robot, age):
    answer = json.loads(issue("robot"))
    assert answer.keys() == {"access", "refresh", "token_type", "expires_in", "refresh_expires_in", "scope"}
    assert (answer["token_type"], answer["scope"]) == ("Bearer", "")
    assert 295 <= answer["expires_in"] <= 300
    assert answer["refresh_expires_in"] > 13 * 86400
    for path in ("/whoami/", "/stateless/"):
        assert client.get(path, **bearer(answer["access"])).json()["user"] == str(robot.pk)
    session = RefreshToken.objects.get()
    assert (session.user, session.amr, session.ip_address, session.user_agent) == (robot, [], None, "")
    age(session, datetime.timedelta(hours=1))
    refreshed = client.post("/auth/token/refresh/", {"refresh": answer["refresh"]}).json()
    assert client.get("/whoami/", **bearer(refreshed["access"])).status_code == 200


def test_a_name_is_read_as_at_a_sign_in(robot):
    assert json.loads(issue(" \uff52obot "))["access"]


@pytest.mark.parametrize("name", ["ada", "", "1e400", "\udc80", "\x00", "9" * 400])
def test_a_name_that_is_no_value_of_the_field_is_the_name_of_nobody(robot, monkeypatch, name):
    monkeypatch.setattr(get_user_model(), "USERNAME_FIELD", "id")
    assert json.loads(issue(str(robot.pk)))["access"]
    with pytest.raises(CommandError, match="no user"):
        issue(name)


def test_the_session_is_listed_and_can_be_revoked(client, robot):
    answer = json.loads(issue("robot"))
    (listed,) = client.get("/auth/sessions/", **bearer(answer["access"])).json()["results"]
    sessions.revoke(listed["id"], reason="admin")
    for path in ("/whoami/", "/stateless/"):
        assert client.get(path, **bearer(answer["access"])).json()["reason"] == "revoked"
    assert client.post("/auth/token/refresh/", {"refresh": answer["refresh"]}).status_code == 401


def test_without_a_refresh_token_the_session_ends_with_the_access_token(client, robot):
    answer = json.loads(issue("robot", "--access-only"))
    assert answer.keys() == {"access", "token_type", "expires_in", "scope"}
    assert client.get("/whoami/", **bearer(answer["access"])).status_code == 200
    session = RefreshToken.objects.get()
    assert session.expires_at - session.created_at == datetime.timedelta(minutes=5)


def test_scope_and_audience(client, robot, settings):
    settings.JWTAUTH = {
        "SIGNING_KEYS": [{"alg": "ES256", "pem": KEY.private_pem()}],
        "SCOPES": ["stock:read", "stock:write"],
        "AUDIENCES": [STOCK],
    }
    answer = json.loads(issue("robot", "--scope", "stock:read admin", "--audience", STOCK))
    assert answer["scope"] == "stock:read"
    public = KeySet([Key.from_pem(KEY.public_pem(), alg="ES256")])
    token = Verifier(issuer="django-jwtauth", audience=STOCK, keys=public).verify(
        answer["access"], scopes=["stock:read"]
    )
    assert (token.audience, token.scopes) == ((STOCK,), {"stock:read"})
    assert client.get("/whoami/", **bearer(answer["access"])).json()["reason"] == "wrong_audience"


def test_without_settings_code_may_give_what_it_likes(robot):
    answer = json.loads(issue("robot", "--scope", "anything at:all", "--audience", STOCK))
    assert answer["scope"] == "anything at:all"
    assert RefreshToken.objects.get().audience == STOCK


def test_a_written_file_is_its_owners_only_and_the_tokens_are_not_shown(client, robot, tmp_path):
    path = tmp_path / "tokens.json"
    umask = os.umask(0)
    try:
        shown = issue("robot", "--output", str(path))
    finally:
        os.umask(umask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    answer = json.loads(path.read_text())
    assert path.read_text().endswith("}\n")
    assert client.get("/whoami/", **bearer(answer["access"])).status_code == 200
    assert str(path) in shown
    assert str(RefreshToken.objects.get().pk) in shown
    assert "ey" not in shown


def test_nothing_is_ever_overwritten_and_no_session_is_started_then(robot, tmp_path):
    path, link = tmp_path / "tokens.json", tmp_path / "link.json"
    path.write_text("in use")
    link.symlink_to(tmp_path / "elsewhere.json")
    for output in (path, link, tmp_path, tmp_path / "missing" / "tokens.json"):
        with pytest.raises(CommandError, match="cannot be written"):
            issue("robot", "--output", str(output))
    assert path.read_text() == "in use"
    assert sorted(file.name for file in tmp_path.iterdir()) == ["link.json", "tokens.json"]
    assert not RefreshToken.objects.exists()


def refuse(user):
    return False


class Refusing(ModelBackend):
    def user_can_authenticate(self, user):
        return False


PROBLEMS = {
    "no such user": (("nobody",), {}, "no user 'nobody'"),
    "refused by the rule": (
        ("robot",),
        {"USER_AUTHENTICATION_RULE": f"{__name__}.refuse"},
        r"The user 'robot' is refused by JWTAUTH\['USER_AUTHENTICATION_RULE'\]",
    ),
    "inactive": (("inactive",), {}, "The user 'inactive' is not active"),
    "scope": (("robot", "--scope", "a  b"), {}, "scope"),
    "quote in scope": (("robot", "--scope", 'a"b'), {}, "scope"),
    "audience": (("robot", "--audience", STOCK), {"AUDIENCES": []}, "resource"),
    "control character": (("robot", "--audience", "a\nb"), {}, "audience"),
    "surrogate": (("robot", "--audience", "\udc80"), {}, "audience"),
    "hook": (("robot",), {"CLAIMS_HOOKS": ["tests.commands.test_issue.failing"]}, "test_issue.failing"),
    "scopes": (("robot", "--scope", "a"), {"SCOPES": failing}, "JWTAUTH.*SCOPES"),
    "subject": (("robot",), {"SUBJECT_FIELD": "email"}, "SUBJECT_FIELD"),
    "too long": (("robot",), {"CLIENT_ID": "c" * 600, "MAX_TOKEN_LENGTH": 512}, "MAX_TOKEN_LENGTH"),
}


@pytest.mark.parametrize("problem", PROBLEMS)
def test_what_goes_wrong_is_said_and_leaves_nothing_behind(robot, settings, tmp_path, problem):
    get_user_model().objects.create_user("inactive", is_active=False)
    args, settings.JWTAUTH, message = PROBLEMS[problem]
    path = tmp_path / "tokens.json"
    for options in ((), ("--output", str(path)), ("--access-only", "--output", str(path))):
        with pytest.raises(CommandError, match=message):
            issue(*args, *options)
    assert not path.exists()
    assert not RefreshToken.objects.exists()


def test_a_refusal_by_the_backend_is_said(robot, settings):
    settings.AUTHENTICATION_BACKENDS = [f"{__name__}.Refusing"]
    with pytest.raises(CommandError, match="The user 'robot' is refused by AUTHENTICATION_BACKENDS"):
        issue("robot")


def test_who_breaks_it_off_leaves_nothing_behind(robot, settings, tmp_path):
    def breaks_off(user, *, request, session):
        raise KeyboardInterrupt

    settings.JWTAUTH = {"SCOPES": breaks_off}
    path = tmp_path / "tokens.json"
    with pytest.raises(KeyboardInterrupt):
        issue("robot", "--scope", "a", "--output", str(path))
    assert not path.exists()
    assert not RefreshToken.objects.exists()


def test_tokens_that_cannot_be_written_are_revoked(tmp_path):
    """In a process of its own, whose files cannot grow beyond a hundred bytes."""
    run_script(
        """
        import os
        import resource
        import sys

        import django

        sys.dont_write_bytecode = True  # modules are imported within the limit, and compiled ones would be cut off

        django.setup()
        from django.contrib.auth.models import User
        from django.core.management import CommandError, call_command
        from django_jwtauth.models import RefreshToken

        call_command("migrate", verbosity=0)
        User.objects.create_user("robot")
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, limits[1]))
        try:
            call_command("jwtauth_issue", "robot", "--output", os.environ["OUTPUT"])
        except CommandError as error:
            assert str(error) == "The tokens cannot be written: File too large", error
        else:
            raise AssertionError("they were written")
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        assert not os.path.exists(os.environ["OUTPUT"])
        assert RefreshToken.objects.get().revoked_note == "not delivered"
        """,
        JWTAUTH_TEST_DATABASE="sqlite",
        OUTPUT=str(tmp_path / "tokens.json"),
    )


def test_tokens_that_nobody_reads_are_revoked(robot):
    reading, writing = os.pipe()
    os.close(reading)
    out = open(writing, "w")  # noqa: SIM115
    try:
        with pytest.raises(CommandError, match="The tokens cannot be written: Broken pipe"):
            call_command("jwtauth_issue", "robot", stdout=out)
    finally:
        with pytest.raises(BrokenPipeError):
            out.close()
    assert RefreshToken.objects.get().revoked_note == "not delivered"


@pytest.mark.parametrize("args", [(), ("robot", "--no-such-option"), ("robot", "--output")])
def test_usage(args):
    with pytest.raises(CommandError):
        issue(*args)


def test_a_refused_user_cannot_use_what_he_has(client, robot):
    answer = json.loads(issue("robot"))
    robot.is_active = False
    robot.save()
    assert client.get("/whoami/", **bearer(answer["access"])).status_code == 401
    with pytest.raises(InvalidTokenError):
        sessions.refresh(answer["refresh"])
