"""User names: of any kind, in any spelling, for backends that take them under one name or another."""

import unicodedata
import uuid

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import Group
from django.contrib.auth.signals import user_login_failed
from django.core.exceptions import PermissionDenied
from django.db import models
from django.test import Client, override_settings
from django.test.utils import isolate_apps

from django_jwtauth import sessions, usernames
from django_jwtauth.models import RefreshToken
from django_jwtauth.throttling import LoginThrottle
from tests.tools.http import TOKEN, assert_refused, bearer
from tests.tools.throttles import rates, request

LOGIN = "/auth/browser/login/"
HERE = "tests.http.test_usernames."
PASSWORD = "correct horse"


def named_by(monkeypatch, field):
    """Let users sign in by another field: ``id`` is a number, ``date_joined`` a time, ``email`` an address."""
    monkeypatch.setattr(get_user_model(), "USERNAME_FIELD", field)


def sign_in(client, name, field="username", password=PASSWORD):
    return client.post(TOKEN, {field: name, "password": password}, format="json")


@pytest.fixture
def failures():
    received = []

    def receiver(sender, credentials, **kwargs):
        received.append((sender, credentials))

    user_login_failed.connect(receiver)
    yield received
    user_login_failed.disconnect(receiver)


# Spellings


@pytest.mark.parametrize(
    "typed",
    [
        "jos\u00e9",
        unicodedata.normalize("NFD", "jos\u00e9"),
        "\uff4a\uff4f\uff53\u00e9",
        " jos\u00e9",
        "jos\u00e9\t\n",
        "\u00a0jos\u00e9\u2003",
    ],
    ids=ascii,
)
def test_a_name_is_read_as_djangos_forms_read_it(client, db, typed):
    get_user_model().objects.create_superuser("jos\u00e9", password=PASSWORD)
    form = Client().post("/admin/login/", {"username": typed, "password": PASSWORD})
    assert form.status_code == 302
    assert sign_in(client, typed).status_code == 200
    csrf = {"username": typed, "password": PASSWORD}
    assert client.post(LOGIN, csrf, format="json").status_code == 200


@pytest.mark.parametrize("name", ["   ", "\u00a0", "\u2003\n"], ids=ascii)
def test_a_name_of_spaces_is_blank(client, user, name):
    response = sign_in(client, name)
    assert (response.status_code, set(response.json())) == (400, {"username"})


@pytest.mark.parametrize("name", ["x" * 257, "\ufdfa" * 256], ids=["long", "longer-once-normalized"])
def test_a_name_that_is_too_long_is_a_400(client, user, name):
    response = sign_in(client, name)
    assert (response.status_code, set(response.json())) == (400, {"username"})


@pytest.mark.parametrize("spaces", [1, 254, 255, 256, 10_000])
def test_spaces_around_a_name_do_not_make_it_another_name_to_count(user, spaces):
    with rates(login_username="1/min"):
        assert LoginThrottle().allow_request(request({"username": "ada"}), None)
        for name in (" " * spaces + "ada", "ada" + "\u2003" * spaces, "\n" * spaces + "ada "):
            assert not LoginThrottle().allow_request(request({"username": name}), None)


# Names that are no text


@pytest.mark.parametrize("url", [TOKEN, LOGIN])
@pytest.mark.parametrize("name", ["ada", "1.5", "1e400", "9" * 256, "-", 1.5, 10**30], ids=ascii)
def test_what_is_no_number_is_the_name_of_nobody(client, user, monkeypatch, failures, url, name):
    named_by(monkeypatch, "id")
    response = client.post(url, {"id": name, "password": PASSWORD}, format="json")
    assert_refused(response, "no_active_account", "credentials")
    ((sender, credentials),) = failures
    assert sender == "django.contrib.auth"
    assert credentials == {"id": str(name), "password": "*" * 20}


@pytest.mark.parametrize("name", ["{}", " {} ", "0{}", "+{}"])
def test_a_number_is_a_name_in_all_its_spellings(client, user, monkeypatch, name):
    named_by(monkeypatch, "id")
    assert sign_in(client, name.format(user.pk), "id").status_code == 200
    assert sign_in(client, user.pk, "id").status_code == 200


def test_all_spellings_of_a_number_are_counted_as_one_name(user, monkeypatch):
    named_by(monkeypatch, "id")
    with rates(login_username="1/min"):
        assert LoginThrottle().allow_request(request({"id": 17}), None)
        for name in ("17", " 17", "017", "+17", "1_7", "\uff11\uff17", "\u0661\u0667"):
            assert not LoginThrottle().allow_request(request({"id": name}), None)
        assert LoginThrottle().allow_request(request({"id": "18"}), None)
        assert LoginThrottle().allow_request(request({"id": "ada"}), None)
        assert not LoginThrottle().allow_request(request({"id": "ADA"}), None)


class Failing(ModelBackend):
    def authenticate(self, request, **credentials):
        raise ValueError("a fault of the project")


@override_settings(AUTHENTICATION_BACKENDS=[HERE + "Failing"])
def test_a_fault_of_a_backend_is_not_taken_for_a_wrong_name(client, user, monkeypatch):
    with pytest.raises(ValueError, match="a fault of the project"):
        sign_in(client, "ada")
    named_by(monkeypatch, "id")
    with pytest.raises(ValueError, match="a fault of the project"):
        sign_in(client, user.pk, "id")
    assert sign_in(client, "ada", "id").status_code == 401


@pytest.mark.parametrize("hint", ["access_token", "refresh_token"])
@pytest.mark.parametrize("field", ["id", "date_joined"])
def test_introspection_gives_the_name_as_text(client, monkeypatch, db, field, hint):
    admin = get_user_model().objects.create_superuser("root", password=PASSWORD)
    named_by(monkeypatch, field)
    pair = sessions.start(admin)
    token = pair.refresh if hint == "refresh_token" else pair.access
    body = {"token": token, "token_type_hint": hint}
    response = client.post("/auth/token/introspect/", body, **bearer(pair.access))
    assert response.status_code == 200
    assert response.json()["username"] == str(getattr(admin, field))


@pytest.mark.parametrize("term", ["1", "ada", "17"])
def test_the_admin_searches_for_numbers(admin_client, user, monkeypatch, term):
    session = sessions.start(user).session
    monkeypatch.setattr("django_jwtauth.admin.site.MAX_FOUND_USERS", 0)
    monkeypatch.setattr(get_user_model(), "__str__", lambda user: "a user")
    named_by(monkeypatch, "id")
    for name in ("refreshtoken", "blacklistedtoken"):
        assert admin_client.get(f"/admin/django_jwtauth/{name}/", {"q": term}).status_code == 200
    found = admin_client.get("/admin/django_jwtauth/refreshtoken/", {"q": str(user.pk)})
    assert str(session.pk) in found.content.decode()


UUID = uuid.UUID("0b0d3ae0-6c1c-4a8e-9a0e-3f2f6f7e6c11")
FIELDS = {
    "uuid": (lambda: models.UUIDField(), [str(UUID), UUID.hex, f"{{{str(UUID).upper()}}}", UUID.urn], ["ada", "7"]),
    "decimal": (
        lambda: models.DecimalField(max_digits=5, decimal_places=2),
        ["1.5", "1.50", "01.5", "15e-1"],
        ["ada", "NaN", "1e9", "1,5"],
    ),
    "float": (lambda: models.FloatField(), ["100", "1e2", "100.0"], ["ada", "1,5"]),
    "date": (lambda: models.DateField(), ["2026-11-28", "2026-11-28"], ["ada", "2026-11-31"]),
    "address": (lambda: models.GenericIPAddressField(), ["2001:db8::7", "2001:DB8:0::7"], ["ada", "::x"]),
    "key": (lambda: models.ForeignKey(Group, models.CASCADE), ["17", "017"], ["ada", "9" * 100]),
    "text": (lambda: models.CharField(max_length=300), ["ada"], ["x" * 301]),
}


def user_model(field):
    class Person(AbstractBaseUser):
        number = field
        objects = BaseUserManager()
        USERNAME_FIELD = "number"

        class Meta:
            app_label = "tests"

    return Person


@pytest.mark.parametrize("kind", FIELDS)
@isolate_apps("tests", "django.contrib.auth", "django.contrib.contenttypes")
def test_spellings_of_one_value_have_one_form(monkeypatch, kind):
    make, same, wrong = FIELDS[kind]
    model = user_model(make())
    monkeypatch.setattr(usernames, "get_user_model", lambda: model)
    assert len({usernames.stored_form(text) for text in same}) == 1
    assert all(map(usernames.is_value, same))
    assert not any(map(usernames.is_value, wrong))
    assert usernames.max_length() == (300 if kind == "text" else 256)
    assert usernames.lookup() == ("number__id" if kind == "key" else "number")


@isolate_apps("tests", "django.contrib.auth", "django.contrib.contenttypes")
def test_the_name_of_a_user_with_a_foreign_key_is_the_key(monkeypatch):
    class Badge(models.Model):
        code = models.CharField(max_length=10, unique=True)

        class Meta:
            app_label = "tests"

        def __str__(self):
            return "a badge"

    model = user_model(models.ForeignKey(Badge, models.CASCADE, to_field="code"))
    monkeypatch.setattr(usernames, "get_user_model", lambda: model)
    person = model(number=Badge(code="A-17"))
    assert person.get_username() is person.number
    assert usernames.shown(person) == "A-17"
    assert usernames.lookup() == "number__code"


# Backends


def by_email(name, password):
    user = get_user_model().objects.filter(email__iexact=name).first()
    return user if user is not None and user.check_password(password) else None


class Recording(ModelBackend):
    calls = []

    def found(self, password, **names):
        self.calls.append((type(self).__name__, names))
        given = [name for name in names.values() if name]
        return by_email(given[0], password) if given else None


class Directory(Recording):
    """As that of LDAP, and as most backends: it takes what Django's forms pass."""

    def authenticate(self, request, username=None, password=None, **kwargs):
        return self.found(password, username=username)


class Plain(Recording):
    def authenticate(self, request, username=None, password=None):
        return self.found(password, username=username)


class Email(Recording):
    def authenticate(self, request, email=None, password=None):
        return self.found(password, email=email)


class EmailOpen(Recording):
    def authenticate(self, request, email=None, password=None, **kwargs):
        return self.found(password, email=email)


class Open(Recording):
    """As that of allauth: it looks into the mapping."""

    def authenticate(self, request, **credentials):
        return self.found(credentials["password"], email=credentials.get("email"))


class Either(Recording):
    def authenticate(self, request, username=None, email=None, password=None):
        return self.found(password, username=username or email)


class Code(Recording):
    """Another way to sign in."""

    def authenticate(self, request, code):
        raise AssertionError("never asked")


class Denying(Directory):
    def authenticate(self, request, username=None, password=None, **kwargs):
        raise PermissionDenied


@pytest.fixture
def person(db, monkeypatch):
    Recording.calls.clear()
    person = get_user_model().objects.create_user("ada", "ada@example.com", PASSWORD)
    named_by(monkeypatch, "email")
    return person


def backends(*names):
    django = "django.contrib.auth.backends."
    return override_settings(
        AUTHENTICATION_BACKENDS=[(django if name == "ModelBackend" else HERE) + name for name in names]
    )


@pytest.mark.parametrize("name", ["ModelBackend", "Directory", "Plain", "Email", "EmailOpen", "Open", "Either"])
@pytest.mark.parametrize("others", [[], ["Code"], ["ModelBackend"]], ids=str)
def test_each_backend_gets_the_name_as_it_takes_it(client, person, failures, name, others):
    with backends(name, *others):
        assert sign_in(client, "ada@example.com", "email").status_code == 200
        assert not failures
        assert_refused(sign_in(client, "ada@example.com", "email", "wrong"), "no_active_account", "credentials")
    assert len(failures) == 1
    assert len(Recording.calls) == (2 if name != "ModelBackend" else 0)


EMAIL, USERNAME = {"email": "nobody@example.com"}, {"username": "nobody@example.com"}


@pytest.mark.parametrize(
    ("names", "calls"),
    [
        (["ModelBackend"], [EMAIL]),
        (["Code"], [EMAIL]),
        (["Directory", "ModelBackend"], [USERNAME]),
        (["Plain", "Directory"], [USERNAME]),
        (["Email", "ModelBackend"], [EMAIL]),
        (["Open", "Directory", "ModelBackend"], [EMAIL | USERNAME]),
        (["Either", "Directory"], [EMAIL | USERNAME]),
        (["EmailOpen", "Directory"], [EMAIL | USERNAME]),
        (["Email", "Directory"], [EMAIL, USERNAME]),
        (["Email", "Plain"], [EMAIL, USERNAME]),
        (["Open", "Plain"], [EMAIL, USERNAME]),
    ],
    ids=str,
)
def test_authenticate_is_called_once_if_that_is_enough(client, person, failures, names, calls):
    with backends(*names):
        assert sign_in(client, "nobody@example.com", "email").status_code == 401
    hidden = {"password": "*" * 20}
    assert [credentials for _, credentials in failures] == [call | hidden for call in calls]


def test_a_backend_that_denies_ends_the_sign_in(client, person):
    with backends("Denying", "Directory", "ModelBackend"):
        assert sign_in(client, "ada@example.com", "email").status_code == 401
    assert not Recording.calls


def test_with_user_names_there_is_nothing_to_choose(client, user, failures):
    Recording.calls.clear()
    with backends("Open", "ModelBackend"):
        assert sign_in(client, "ada").status_code == 200
        assert sign_in(client, "ada", password="wrong").status_code == 401
    assert Recording.calls == [("Open", {"email": None})] * 2
    assert [credentials for _, credentials in failures] == [{"username": "ada", "password": "*" * 20}]


def test_the_backend_that_knew_the_user_is_kept(rf, person):
    with backends("Email", "Plain"):
        found = usernames.authenticate_by_name(rf.get("/"), {"email": "ada@example.com", "password": PASSWORD})
    assert found.backend == HERE + "Email"


def test_credentials_without_a_name_are_passed_on_as_they_are(rf, db):
    with backends("Code"), pytest.raises(AssertionError, match="never asked"):
        usernames.authenticate_by_name(rf.get("/"), {"code": "123456"})
    assert not RefreshToken.objects.exists()
