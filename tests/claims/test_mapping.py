"""``CLAIMS``: claims from attributes of the user."""

import datetime
import decimal
import uuid

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.core.exceptions import ObjectDoesNotExist
from django.utils.functional import SimpleLazyObject
from django.utils.translation import gettext_lazy, override

from django_jwtauth import conf, sessions
from django_jwtauth.errors import ClaimsHookError
from django_jwtauth.models import RefreshToken
from tests.tools.http import bearer
from tests.tools.processes import run_script
from tests.tools.products import each_row

CREDENTIALS = {"username": "ada", "password": "correct horse"}
HOUR = datetime.timedelta(hours=1)


def from_hook(user, *, request, session):
    return {"name": "from the hook", "seen": user.first_name}


def claims_of(pair):
    return conf.get_config().verifier.verify(pair.access).claims


@pytest.fixture
def attribute(monkeypatch):
    """Give users an attribute ``given``, computed by a function."""

    def attribute(compute):
        monkeypatch.setattr(get_user_model(), "given", property(compute), raising=False)

    return attribute


@pytest.fixture
def mapping(settings):
    def mapping(claims, **more):
        settings.JWTAUTH = {"CLAIMS": claims, **more}

    return mapping


def test_attributes_become_claims_at_the_first_sign_in_and_at_each_refresh(client, user, mapping, age):
    mapping({"email": "email", "https://example.com/claims/name": "first_name", "staff": "is_staff", "key": "pk"})
    answer = client.post("/auth/token/", CREDENTIALS).json()
    for first_name, by in (("Ada", datetime.timedelta(0)), ("Augusta", HOUR), ("", datetime.timedelta(0))):
        user.first_name = first_name
        user.save()
        age(RefreshToken.objects.get(), by)
        answer = client.post("/auth/token/refresh/", {"refresh": answer["refresh"]}).json()
        for path in ("/whoami/", "/stateless/"):
            claims = client.get(path, **bearer(answer["access"])).json()["claims"]
            assert (claims["email"], claims["staff"], claims["key"]) == ("ada@example.com", False, user.pk)
            assert claims["https://example.com/claims/name"] == first_name


@each_row(
    ("value", "claim"),
    [
        (uuid.UUID(int=5), "00000000-0000-0000-0000-000000000005"),
        (datetime.date(2026, 2, 3), "2026-02-03"),
        (datetime.datetime(2026, 2, 3, 4, 5, 6, tzinfo=datetime.UTC), "2026-02-03T04:05:06Z"),
        (datetime.timedelta(hours=1), "P0DT01H00M00S"),
        (decimal.Decimal("1.50"), "1.50"),
        (SimpleLazyObject(lambda: "late").upper(), "LATE"),
        (["a", uuid.UUID(int=1)], ["a", "00000000-0000-0000-0000-000000000001"]),
        ({"a": decimal.Decimal("0.1")}, {"a": "0.1"}),
        ((1, 2), [1, 2]),
        ("", ""),
        (0, 0),
        (False, False),
        ([], []),
    ],
    ids=repr,
)
def test_values_are_written_as_django_writes_them(user, mapping, attribute, value, claim):
    mapping({"claim": "given"})
    attribute(lambda user: value)
    seen = claims_of(sessions.start(user))["claim"]
    assert (seen, type(seen)) == (claim, type(claim))


def test_a_lazy_text_is_said_in_the_language_of_the_request(user, mapping, attribute):
    mapping({"claim": "given"})
    attribute(lambda user: gettext_lazy("Monday"))
    with override("de"):
        assert claims_of(sessions.start(user))["claim"] == "Montag"


def missing(user):
    raise ObjectDoesNotExist("no profile")


@pytest.mark.parametrize("compute", [lambda user: None, missing], ids=["none", "missing"])
@pytest.mark.parametrize("path", ["given", "given.organisation_id", "given.organisation.name"])
def test_where_a_path_ends_early_there_is_no_claim(user, mapping, attribute, compute, path):
    mapping({"claim": path, "email": "email"})
    attribute(compute)
    claims = claims_of(sessions.start(user))
    assert "claim" not in claims
    assert claims["email"] == "ada@example.com"


@pytest.mark.parametrize(
    ("path", "value", "problem"),
    [
        ("no_such_attribute", 1, "it raised AttributeError"),
        ("given.no_such_attribute", 1, "it raised AttributeError"),
        ("get_username", 1, "it raised TypeError"),
        ("get_username.x", 1, "it raised AttributeError"),
        ("groups", 1, "it raised TypeError"),
        ("given", b"bytes", "it raised TypeError"),
        ("given", object(), "it raised TypeError"),
        ("given", float("nan"), "NaN or Infinity"),
        ("given", [float("-inf")], "NaN or Infinity"),
        ("given", 2**53, "other languages would round"),
        ("given", "\ud800", "lone surrogate"),
        ("given", "x" * 5000, "MAX_TOKEN_LENGTH"),
    ],
    ids=lambda value: str(value)[:20].encode("ascii", "replace").decode(),
)
def test_what_is_no_value_is_an_error_that_names_the_claim(user, mapping, attribute, caplog, path, value, problem):
    mapping({"email": "email", "wrong": path})
    attribute(lambda user: value)
    with pytest.raises(ClaimsHookError, match=problem) as caught:
        sessions.start(user)
    if problem != "MAX_TOKEN_LENGTH":  # that is a matter of all of them
        assert caught.value.hook == "JWTAUTH['CLAIMS']['wrong']"
    assert [record.getMessage() for record in caplog.records if record.name == "django_jwtauth"] == [str(caught.value)]
    assert not RefreshToken.objects.exists()


def test_an_attribute_that_fails_is_an_error_that_names_the_claim_and_not_the_value(user, mapping, attribute):
    mapping({"wrong": "given"})
    attribute(lambda user: 1 / len(user.first_name))
    with pytest.raises(ClaimsHookError, match=r"CLAIMS.*wrong.*it raised ZeroDivisionError"):
        sessions.start(user)


def test_hooks_come_after_the_mapping_and_win(user, mapping):
    mapping({"name": "username", "email": "email"}, CLAIMS_HOOKS=["tests.claims.test_mapping.from_hook"])
    claims = claims_of(sessions.start(user))
    assert (claims["name"], claims["email"]) == ("from the hook", "ada@example.com")


def test_a_changed_role_shows_in_the_next_refresh(client, user, settings, age):
    """Groups, flags and permissions, by the ready-made hooks; at both endpoints, and gone as they came."""
    settings.JWTAUTH = {"CLAIMS_HOOKS": [f"django_jwtauth.hooks.{name}" for name in ("groups", "permissions", "staff")]}
    refresh = client.post("/auth/token/", CREDENTIALS).json()["refresh"]
    group = Group.objects.create(name="packers")

    def refreshed():
        nonlocal refresh
        age(RefreshToken.objects.get(), HOUR)
        answer = client.post("/auth/token/refresh/", {"refresh": refresh}).json()
        refresh = answer["refresh"]
        seen = [client.get(path, **bearer(answer["access"])).json()["claims"] for path in ("/whoami/", "/stateless/")]
        assert seen[0] == seen[1]
        return seen[0]["groups"], seen[0]["is_staff"]

    assert refreshed() == ([], False)
    user.groups.add(group)
    get_user_model().objects.update(is_staff=True)
    assert refreshed() == (["packers"], True)
    user.groups.clear()
    get_user_model().objects.update(is_staff=False)
    assert refreshed() == ([], False)


def test_a_related_object_that_changes_or_goes_leaves_no_stale_claim():
    """In a process of its own, for it has models: a profile that leads to an organisation."""
    run_script(
        """
        import datetime

        import django

        django.setup()
        from django.contrib.auth.models import User
        from django.core.management import call_command
        from django.db import connection, models
        from django.test import override_settings
        from rest_framework.test import APIClient

        class Organisation(models.Model):
            name = models.CharField(max_length=20)

            class Meta:
                app_label = "tests"

        class Profile(models.Model):
            user = models.OneToOneField(User, models.CASCADE, related_name="profile")
            organisation = models.ForeignKey(Organisation, models.CASCADE, null=True)

            def describe(self):
                return "a profile"

            class Meta:
                app_label = "tests"

        call_command("migrate", verbosity=0)
        with connection.schema_editor() as editor:
            editor.create_model(Organisation)
            editor.create_model(Profile)
        from django_jwtauth import checks
        from django_jwtauth.models import RefreshToken

        user = User.objects.create_user("ada", password="correct horse")
        client = APIClient()
        last = {}

        def claims(path, body):
            RefreshToken.objects.update(rotated_at=models.F("rotated_at") - datetime.timedelta(minutes=1))
            answer = client.post(path, {**body, **last})
            assert answer.status_code == 200, answer.content
            last["refresh"] = answer.json()["refresh"]
            headers = {"Authorization": "Bearer " + answer.json()["access"]}
            seen = [client.get(path, headers=headers).json()["claims"] for path in ("/whoami/", "/stateless/")]
            assert seen[0] == seen[1]
            return {name: seen[0][name] for name in ("org", "org_name") if name in seen[0]}

        mapping = {"org": "profile.organisation_id", "org_name": "profile.organisation.name"}
        with override_settings(JWTAUTH={"CLAIMS": mapping}):
            assert [*checks.check_claims()] == []
            signed_in = claims("/auth/token/", {"username": "ada", "password": "correct horse"})
            assert signed_in == {}, signed_in
            refresh = lambda: claims("/auth/token/refresh/", {})
            profile = Profile.objects.create(user=user)
            assert refresh() == {}
            acme = Organisation.objects.create(name="ACME")
            Profile.objects.update(organisation=acme)
            assert refresh() == {"org": acme.pk, "org_name": "ACME"}
            other = Organisation.objects.create(name="Other")
            Profile.objects.update(organisation=other)
            assert refresh() == {"org": other.pk, "org_name": "Other"}
            Profile.objects.update(organisation=None)
            assert refresh() == {}
            Profile.objects.update(organisation=acme)
            assert refresh() == {"org": acme.pk, "org_name": "ACME"}
            profile.delete()
            assert refresh() == {}

        for path, problem in {
            "profile": "auth.User.profile is a relation",
            "profile.organisation": "tests.Profile.organisation is a relation",
            "profile.organisation.title": "no attribute tests.Organisation.title",
            "profile.organisation_id.name": "",
            "profile.describe": "tests.Profile.describe is a method",
            "profile.user.email": "",
        }.items():
            with override_settings(JWTAUTH={"CLAIMS": {"claim": path}}):
                found = [message.msg for message in checks.check_claims()]
            assert (found == []) if not problem else (len(found) == 1 and problem in found[0]), (path, found)
        """,
        JWTAUTH_TEST_DATABASE="sqlite",
    )
