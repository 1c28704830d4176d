"""Hooks that give something else than it seems, or that try to change what is not theirs: none gets its way."""

import collections.abc
import datetime

import pytest
from django.contrib.auth import get_user_model

from django_jwtauth import conf, sessions
from django_jwtauth.errors import ClaimsHookError
from django_jwtauth.models import RefreshToken
from tests.tools.products import each_row

HOUR = datetime.timedelta(hours=1)
PATH = "tests.claims.test_forged."

given = {}


def whatever(user, *, request, session):
    return given["value"]


@pytest.fixture
def hooks(settings):
    def hooks(*names):
        settings.JWTAUTH = {"CLAIMS_HOOKS": [PATH + name for name in names]}

    yield hooks
    given.clear()


def claims_of(pair):
    return conf.get_config().verifier.verify(pair.access).claims


def nested(depth):
    value = []
    for _ in range(depth):
        value = [value]
    return value


endless = []
endless.append(endless)


class Odd(str):
    """Is equal to nothing, and to itself only now and then."""

    def __eq__(self, other):
        return False

    def __hash__(self):
        return id(self)

    def isascii(self):
        return True


class Harmless(str):
    """Says that it is somebody else."""

    def __eq__(self, other):
        return other == "harmless"

    def __hash__(self):
        return hash("harmless")

    def __str__(self):
        return "harmless"

    def __repr__(self):
        return "'harmless'"

    def __format__(self, spec):
        return "harmless"

    def __iter__(self):
        return iter("harmless")

    def casefold(self):
        return "harmless"

    def upper(self):
        return "HARMLESS"


class Small(int):
    """Never looks large."""

    def __abs__(self):
        return 0

    def __le__(self, other):
        return True


class Shy(dict):
    """Shows nothing to who looks at its values, and all of it to who writes it."""

    def __iter__(self):
        return iter(())

    def values(self):
        return ()


class ShyList(list):
    def __iter__(self):
        return iter(())


class Fickle(collections.abc.Mapping):
    """Has other keys when it is asked again."""

    def __init__(self):
        self.asked = 0

    def keys(self):
        self.asked += 1
        return ["fine"] if self.asked == 1 else ["sub"]

    def __iter__(self):
        return iter(self.keys())

    def __len__(self):
        return 1

    def __getitem__(self, name):
        return "root"


class Broken(Fickle):
    def __getitem__(self, name):
        raise KeyError(name)


class Pretender:
    """An object that says it is a text."""

    __class__ = property(lambda self: str)


class Hidden(dict):
    """Its items are not what was put into it."""

    def items(self):
        return {"fine": 1}.items()


@pytest.mark.django_db
@each_row(
    ("value", "problem"),
    [
        ({Odd("sub"): "root"}, "may not set 'sub'"),
        ({Harmless("sub"): "root"}, "may not set 'sub'"),
        ({Harmless("SUB"): "root"}, "may not set 'SUB'"),
        ({Harmless("s\u200bub"): "root"}, r"may not set 's\\u200bub'"),
        (Hidden(sub="root"), "may not set 'sub'"),
        ({"a": 1, Odd("a"): 2}, "two claims of the same name"),
        ({"x": {"a": 1, Odd("a"): 2}}, "two claims of the same name"),
        ({"x": Small(2**60)}, "would round"),
        ({"x": [Small(-(2**53))]}, "would round"),
        ({"x": Shy(a=2**60)}, "would round"),
        ({"x": Shy(a=float("nan"))}, "not JSON"),
        ({"x": Shy(a=endless)}, "not JSON"),
        ({"x": Shy(a=object())}, "not JSON"),
        ({"x": Shy(a=nested(40))}, "nested deeper"),
        ({"x": Odd("\ud800")}, "not JSON"),
        ({Odd("\ud800"): 1}, "not JSON"),
        ({Odd(""): 1}, "names of claims"),
        ({"x": Pretender()}, "it raised AttributeError"),
        ({Pretender(): 1}, "it raised AttributeError"),
        (Broken(), "it raised KeyError"),
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, str) else value,
)
def test_what_pretends_to_be_fine_is_refused(user, hooks, value, problem):
    hooks("whatever")
    given["value"] = value
    with pytest.raises(ClaimsHookError, match=f"whatever.*{problem}"):
        sessions.start(user)
    assert not RefreshToken.objects.exists()


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("value", "seen"),
    [
        (Fickle(), {"fine": "root"}),
        ({"x": Odd("text")}, {"x": "text"}),
        ({"x": Harmless("text")}, {"x": "text"}),
        ({Harmless("name"): 1}, {"name": 1}),
        ({"x": Small(5)}, {"x": 5}),
        ({"x": Shy(a=1)}, {"x": {"a": 1}}),
        ({"x": ShyList([2**60])}, {"x": []}),
    ],
    ids=["fickle", "odd", "harmless", "harmless name", "small", "shy", "shy list"],
)
def test_of_what_is_odd_the_plain_value_is_taken(user, hooks, value, seen):
    """And all of the token is what it would be anyway."""
    plain = claims_of(sessions.start(user))
    hooks("whatever")
    given["value"] = value
    claims = claims_of(sessions.start(user))
    assert {name: claims[name] for name in seen} == seen
    assert claims.keys() == plain.keys() | seen.keys()
    for name in plain.keys() - {"jti", "sid", "iat", "exp", "auth_time"}:
        assert claims[name] == plain[name]


DISGUISED = [
    "Sub",
    "SUB",
    "s u b",
    "\uff53\uff55\uff42",
    "\u017fub",
    "su\u200bb",
    "clientId",
    "Client-ID",
    "authTime",
    "\u0131ss",
]


@pytest.mark.django_db
@pytest.mark.parametrize("name", DISGUISED, ids=ascii)
def test_neither_hooks_nor_the_mapping_set_what_may_be_taken_for_a_registered_claim(
    user, client, hooks, settings, name
):
    client.raise_request_exception = False
    credentials = {"username": "ada", "password": "correct horse"}
    hooks("whatever")
    given["value"] = {name: "x"}
    assert client.post("/auth/token/", credentials).status_code == 500
    settings.JWTAUTH = {"CLAIMS": {name: "username"}}
    with pytest.raises(conf.InvalidSettingsError, match="may not set"):
        conf.get_config()
    assert client.post("/auth/token/", credentials).status_code == 500
    assert not RefreshToken.objects.exists()


FREE = {"subject": 1, "scopes": ["a"], "tenant_id": 5, "email": "a@b.c", "roles": [], "https://example.com/sub": "x"}


@pytest.mark.django_db
def test_names_that_only_resemble_registered_ones_are_free(user, hooks, settings):
    hooks("whatever")
    given["value"] = FREE
    assert claims_of(sessions.start(user)).items() >= FREE.items()
    settings.JWTAUTH = {"CLAIMS": dict.fromkeys(FREE, "username")}
    assert claims_of(sessions.start(user)).items() >= dict.fromkeys(FREE, "ada").items()


def change_everything(user, *, request, session):
    """Tries to change the session by changing what it is given."""
    session.amr.append("otp")
    session.acr = "high"
    session.scope = "admin"
    session.audience = "elsewhere"
    session.actor = "root"
    session.user_id = session.pk = None
    session.auth_time = session.expires_at = session.created_at + 9 * HOUR
    session.generation = 7
    session.secret = b"x"
    user.pk = user.id = 12345
    return {}


def scopes_that_change_everything(user, *, request, session):
    session.amr.append("otp")
    session.acr = "high"
    session.scope = "admin"
    session.actor = "root"
    return ["read"]


@pytest.mark.django_db
def test_a_hook_cannot_change_the_session_it_looks_at(user, settings, age):
    settings.JWTAUTH = {"SCOPES": ["read"]}
    expected = claims_of(sessions.start(user, amr=["pwd"], acr="low", scope="read"))
    (unchanged,) = RefreshToken.objects.values()
    RefreshToken.objects.all().delete()
    settings.JWTAUTH = {"CLAIMS_HOOKS": [PATH + "change_everything"], "SCOPES": PATH + "scopes_that_change_everything"}
    pair = sessions.start(get_user_model().objects.get(), amr=["pwd"], acr="low", scope="read")
    stable = ["amr", "acr", "scope", "audience", "actor", "user_id", "generation"]
    own = ["sub", "aud", "scope", "amr", "acr"]
    for _ in range(2):
        (row,) = RefreshToken.objects.values()
        claims = claims_of(pair)
        assert {name: row[name] for name in stable} == {name: unchanged[name] for name in stable} | {
            "generation": pair.session.generation
        }
        assert row["expires_at"] - row["created_at"] == unchanged["expires_at"] - unchanged["created_at"]
        assert {name: claims[name] for name in own} == {name: expected[name] for name in own}
        assert claims["sid"] == str(row["id"])
        assert claims.keys() == expected.keys()
        age(RefreshToken.objects.get(), HOUR)
        pair = sessions.refresh(pair.refresh)
    assert get_user_model().objects.get().pk == user.pk


kept = {"fine": [1]}


def keep(user, *, request, session):
    kept.pop("sub", None)
    kept["fine"][:] = [1]
    return kept


def change_what_was_kept(user, *, request, session):
    kept["sub"] = "root"
    kept["fine"].append(float("nan"))
    return {}


@pytest.mark.django_db
def test_a_hook_cannot_change_afterwards_what_it_has_given(user, hooks):
    hooks("keep", "change_what_was_kept")
    claims = claims_of(sessions.start(user))
    assert (claims["sub"], claims["fine"]) == (str(user.pk), [1])
    assert kept["sub"] == "root"
