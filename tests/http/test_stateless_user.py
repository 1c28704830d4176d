"""The user of a stateless request: what it knows from the ready-made hooks, without a database."""

import asyncio
import copy
import json
import logging
import pickle

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.context_processors import PermWrapper
from django.contrib.auth.models import Group, Permission
from django.contrib.contenttypes.models import ContentType
from django.template import Context, Engine
from django.test import override_settings

from django_jwtauth import sessions
from django_jwtauth.authentication import StatelessJWTAuthentication, StatelessUser
from django_jwtauth.errors import ClaimsHookError
from django_jwtauth.verifier import AccessToken
from tests.tools.issuers import AUDIENCE, Issuer, Server
from tests.tools.processes import conversation
from tests.tools.products import each_row

HOOKS = [f"django_jwtauth.hooks.{name}" for name in ("groups", "permissions", "staff")]


def user_with(**claims):
    registered = {"iss": "i", "sub": "ada", "aud": "a", "client_id": "c", "jti": "j", "sid": "s", "iat": 1, "exp": 2}
    return StatelessUser(issuer="i", pk="ada", token=AccessToken.from_claims({**registered, **claims}))


def stateless(user):
    return StatelessJWTAuthentication().authenticate_token(sessions.start(user).access)[0]


@pytest.fixture
def editor(user):
    """A user with a permission of their own and one from a group."""
    group = Group.objects.create(name="editors")
    group.permissions.add(Permission.objects.get(codename="change_group"))
    Group.objects.create(name="nobody is in this")
    user.groups.add(group, Group.objects.create(name="admins"))
    user.user_permissions.add(Permission.objects.get(codename="view_user"))
    return user


@pytest.fixture
def hooks(settings):
    settings.JWTAUTH = {"CLAIMS_HOOKS": HOOKS}


# With the ready-made hooks

PERMISSIONS = ["auth.view_user", "auth.change_group", "auth.add_user", "view_user", "auth", "", "auth.view_user "]


def test_it_answers_as_the_user_would(editor, hooks):
    found = stateless(editor)
    for perm in PERMISSIONS:
        assert found.has_perm(perm) is editor.has_perm(perm), perm
        assert found.has_perm(perm, obj=editor) is editor.has_perm(perm, obj=editor) is False
        assert found.has_perms([perm, "auth.view_user"]) is editor.has_perms([perm, "auth.view_user"])
    for label in ("auth", "admin", "aut", "auth.view_user", ""):
        assert found.has_module_perms(label) is editor.has_module_perms(label)
    assert found.get_all_permissions() == editor.get_all_permissions() == {"auth.view_user", "auth.change_group"}
    assert found.get_all_permissions(editor) == editor.get_all_permissions(editor) == set()
    assert found.groups == ("admins", "editors")
    assert (found.is_staff, found.is_superuser, found.is_active) == (False, False, True)
    assert found.has_perms([]) is editor.has_perms([]) is True
    for other in (found, editor):
        with pytest.raises(ValueError, match="perm_list must be an iterable"):
            other.has_perms("auth.view_user")


@pytest.mark.parametrize("names", [HOOKS, HOOKS[::-1], HOOKS[1:2]], ids=["all", "reversed", "permissions alone"])
def test_a_superuser_may_do_everything_and_his_token_stays_short(user, settings, names):
    user.is_superuser = True
    user.save()
    settings.JWTAUTH = {"CLAIMS_HOOKS": names}
    found = stateless(user)
    assert found.is_superuser is True
    assert found.token.claims["permissions"] == []
    for perm in ("auth.view_user", "whatever.else"):
        assert found.has_perm(perm) is found.has_perm(perm, user) is found.has_perms([perm]) is True
    assert found.has_module_perms("whatever") is True


def test_groups_answer_what_code_asks_djangos(editor, settings):
    settings.JWTAUTH = {"CLAIMS_HOOKS": HOOKS}
    found = stateless(editor)
    for groups in (found.groups, editor.groups):
        assert groups.filter(name="editors").exists() is True
        assert groups.filter(name="nobody").exists() is False
        assert sorted(group.name for group in groups.all()) == ["admins", "editors"]
        assert sorted(groups.values_list("name", flat=True)) == ["admins", "editors"]
        assert sorted(groups.filter(name__in=["admins", "x"]).values_list("name")) == [("admins",)]
        assert groups.filter(name="admins", name__in=["editors"]).exists() is False
    assert "editors" in found.groups


def test_what_groups_cannot_answer_they_refuse_clearly(editor, settings):
    settings.JWTAUTH = {"CLAIMS_HOOKS": HOOKS}
    groups = stateless(editor).groups
    for ask in (lambda: groups.filter(pk=1), lambda: groups.values_list("pk"), lambda: groups.values_list()):
        with pytest.raises(TypeError, match="only the names of groups"):
            ask()
    with pytest.raises(AttributeError, match="They have no 'exclude'"):
        groups.exclude(name="admins")


def test_rights_that_are_taken_away_are_gone_after_the_next_refresh(editor, hooks):
    editor.is_staff = editor.is_superuser = True
    editor.save()
    pair = sessions.start(editor)
    editor.is_staff = editor.is_superuser = False
    editor.save()
    editor.groups.clear()
    editor.user_permissions.clear()
    access = sessions.refresh(pair.refresh).access
    found = StatelessJWTAuthentication().authenticate_token(access)[0]
    assert (found.is_staff, found.is_superuser, found.groups, found.get_all_permissions()) == (False, False, (), set())


def test_without_the_hooks_it_may_nothing(editor):
    editor.is_staff = editor.is_superuser = True
    editor.save()
    found = stateless(editor)
    assert (found.is_staff, found.is_superuser, found.groups, found.get_all_permissions()) == (False, False, (), set())
    assert found.has_perm("auth.view_user") is found.has_module_perms("auth") is False


def test_the_hooks_cost_what_they_say(editor, settings, django_assert_num_queries):
    for name, queries in zip(HOOKS, (1, 2, 0), strict=True):
        settings.JWTAUTH = {"CLAIMS_HOOKS": [name]}
        fresh = get_user_model().objects.get(pk=editor.pk)
        with django_assert_num_queries(2 + queries):  # two start a session
            sessions.start(fresh)


def test_too_many_permissions_are_an_error_that_names_the_hook(editor, hooks):
    editor.user_permissions.set(Permission.objects.all())
    with (
        override_settings(JWTAUTH={"CLAIMS_HOOKS": HOOKS, "MAX_TOKEN_LENGTH": 1024}),
        pytest.raises(ClaimsHookError, match=r"hooks\.permissions: the access token would have") as caught,
    ):
        sessions.start(editor)
    assert caught.value.reason == "too_long"


# Odd claims of other issuers

ODD = [None, True, 1, 1.5, "auth.view_user", {"auth.view_user": True}, [["auth.view_user"]], [None, 1, {}], [], ""]


@each_row("value", ODD, ids=str)
def test_a_claim_that_is_not_a_list_of_names_gives_no_rights(value):
    user = user_with(permissions=value, groups=value)
    assert (user.groups, user.get_all_permissions()) == ((), set())
    assert user.has_perm("auth.view_user") is user.has_module_perms("auth") is False
    assert user.has_perms(["auth.view_user"]) is False


@each_row("value", [None, 1, 1.0, "true", "True", [True], {"a": True}, False], ids=repr)
def test_only_true_is_true(value):
    user = user_with(is_staff=value, is_superuser=value)
    assert (user.is_staff, user.is_superuser, user.has_perm("auth.view_user")) == (False, False, False)


def test_names_in_a_list_count_whatever_else_is_in_it():
    user = user_with(permissions=[1, "orders.add_order", None], groups=["a", ["b"]])
    assert user.has_perm("orders.add_order") is user.has_module_perms("orders") is True
    assert user.groups == ("a",)


OWN = [name for name in dir(StatelessUser) if name not in ("is_staff", "is_superuser", "groups")]


@each_row("name", OWN)
def test_no_claim_replaces_an_attribute_of_the_class(name):
    plain, hostile = user_with(), user_with(**{name: "mallory"})
    found, wanted = getattr(hostile, name, None), getattr(plain, name, None)
    assert found != "mallory"
    assert type(found) is type(wanted)
    if isinstance(wanted, str | bool):
        assert found == wanted
    assert hostile == plain
    assert (hostile.pk, hostile.id, str(hostile), hostile.issuer) == ("ada", "ada", "ada", "i")
    assert (hostile.is_authenticated, hostile.is_anonymous, hostile.is_active) == (True, False, True)
    assert hostile.has_perm("mallory") is False


@each_row("name", ["__class__", "__dict__", "__html__", "__len__", "_meta", "_state", "__getstate__"])
def test_claims_with_an_underscore_in_front_are_no_attributes(name):
    assert getattr(user_with(**{name: "mallory"}), name, None) != "mallory"
    assert isinstance(user_with(**{name: "mallory"}), StatelessUser)


def test_a_missing_claim_is_an_attribute_error():
    user = user_with(tenant="acme", empty=None)
    assert (user.tenant, user.empty) == ("acme", None)
    for name in ("email", "username", "user_permissions", "save", "check_password", "last_login"):
        with pytest.raises(AttributeError, match=name):
            getattr(user, name)
    assert getattr(user, "email", "") == ""
    assert not hasattr(user, "delete")


# As a value


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_it_survives_pickling_with_all_it_can_answer(protocol):
    user = user_with(tenant="acme", permissions=["orders.add_order"], token="t", __setstate__="s", __reduce_ex__="r")
    for twin in (pickle.loads(pickle.dumps(user, protocol)), copy.copy(user), copy.deepcopy(user)):
        assert twin == user
        assert hash(twin) == hash(user)
        assert (twin.tenant, twin.has_perm("orders.add_order"), twin.token) == ("acme", True, user.token)


def test_its_identity_depends_on_issuer_and_subject_only():
    assert user_with(tenant="acme") == user_with(tenant="other")
    assert len({user_with(tenant="acme"), user_with(tenant="other")}) == 1
    for other in ("ada", None, StatelessUser(issuer="j", pk="ada", token=user_with().token)):
        assert user_with() != other


def test_nothing_about_it_can_be_changed():
    user = user_with()
    for name in ("pk", "token", "is_staff", "is_active", "tenant", "groups"):
        with pytest.raises(AttributeError):
            setattr(user, name, True)
        with pytest.raises((AttributeError, TypeError)):
            delattr(user, name)
    assert (user.pk, user.is_staff, hasattr(user, "tenant")) == ("ada", False, False)


def test_other_packages_can_keep_what_they_computed_on_it():
    user = user_with()
    assert not hasattr(user, "_group_names_cache")
    user._group_names_cache = {"editors"}
    assert user._group_names_cache == {"editors"}
    assert user == user_with()
    assert repr(user) == repr(user_with())
    assert not hasattr(copy.copy(user), "_group_names_cache")


# In templates and logs


def render(template, **context):
    return Engine().from_string(template).render(Context(context))


@each_row(
    ("template", "expected"),
    [
        ("{{ user }}", "ada"),
        ("{{ user.tenant }}", "&lt;b&gt;acme"),
        ("{{ user.profile.name }} {{ user.roles.0 }}", "Ada one"),
        ("{{ user.missing }}|{{ user.missing.deeper }}", "|"),
        ("{% if user.is_staff %}staff{% endif %}", "staff"),
        ("{% if user.is_superuser %}root{% else %}no{% endif %}", "no"),
        ("{% if user.is_authenticated %}in{% endif %}", "in"),
        ("{% if 'editors' in user.groups %}edits{% endif %}", "edits"),
        ("{% if perms.orders %}some{% endif %} {% if perms.orders.add_order %}adds{% endif %}", "some adds"),
        ("{% if perms.orders.delete_order or perms.other %}all{% endif %}", ""),
        ("{{ user.get_username }} {{ user.pk }} {{ user.id }}", "ada ada ada"),
        ("{% if user == twin %}same{% endif %}", "same"),
        ("{{ user.token.claims.tenant }}", "&lt;b&gt;acme"),
    ],
)
def test_templates_read_it_as_any_user(template, expected):
    user = user_with(
        **{"tenant": "<b>acme", "profile": {"name": "Ada"}, "roles": ["one"], "is_staff": True},
        **{"groups": ["editors"], "permissions": ["orders.add_order"]},
    )
    assert render(template, user=user, twin=user_with(), perms=PermWrapper(user)) == expected


def test_logs_show_issuer_and_subject_only(caplog):
    user = user_with(tenant="secret", do_not_call_in_templates=True)
    logging.getLogger(__name__).warning("%s %r", user, user)
    assert caplog.messages == ["ada StatelessUser(issuer='i', pk='ada')"]
    assert f"{user} {user!s}" == "ada ada"


# A service without a database and without our app

SERVICE = """
import json, sys
from django.conf import settings

class Anonymous:
    is_authenticated = is_staff = False
    def has_perms(self, perms, obj=None):
        return not perms  # True for an empty list, like Django's

settings.configure(
    DATABASES={{}},
    INSTALLED_APPS=["rest_framework"],
    REST_FRAMEWORK={{"UNAUTHENTICATED_USER": Anonymous}},
    JWTAUTH={{"TRUSTED_ISSUERS": {{{issuer!r}: {{"audience": {audience!r}}}}}}},
)
import django
django.setup()
from django.db import models
from django.test import RequestFactory
from rest_framework import permissions
from rest_framework.generics import GenericAPIView
from rest_framework.response import Response
from django_jwtauth.authentication import StatelessJWTAuthentication
from django_jwtauth.permissions import HasScope

class Order(models.Model):
    class Meta:
        app_label = "orders"
        managed = False

class View(GenericAPIView):
    authentication_classes = [StatelessJWTAuthentication]
    queryset = Order.objects.all()

    def get(self, request):
        return Response(type(request.user).__name__)

    post = put = patch = delete = get

for line in sys.stdin:
    name, method, raw = json.loads(line)
    chosen = HasScope(name[6:]) if name.startswith("scope:") else getattr(permissions, name)
    headers = {{"Authorization": f"Bearer {{raw}}"}} if raw else {{}}
    response = View.as_view(permission_classes=[chosen])(RequestFactory().generic(method, "/", headers=headers))
    print(response.status_code, flush=True)
assert not any(name.startswith(("django_jwtauth.models", "django.contrib.auth.models")) for name in sys.modules)
"""


@pytest.fixture
def issuer(settings):
    """Our own sessions, signed with a key that others can fetch."""
    server = Server()
    made = Issuer(server)
    key = {"alg": "ES256", "pem": made.key.private_pem()}
    settings.JWTAUTH = {"ISSUER": made.url, "AUDIENCE": AUDIENCE, "SIGNING_KEYS": [key], "CLAIMS_HOOKS": HOOKS}
    yield made
    server.stop()


def test_rest_frameworks_own_permissions_work_in_a_service_without_a_database(issuer, django_user_model):
    users = django_user_model.objects
    clerk, boss, root, nobody = (users.create_user(name) for name in ("clerk", "boss", "root", "nobody"))
    users.filter(pk=boss.pk).update(is_staff=True)
    users.filter(pk=root.pk).update(is_superuser=True)
    order = ContentType.objects.create(app_label="orders", model="order")
    orders = [
        Permission.objects.create(codename=f"{act}_order", name=act, content_type=order) for act in ("add", "change")
    ]
    group = Group.objects.create(name="clerks")
    group.permissions.set(orders)
    clerk.groups.add(group)
    raws = {name: sessions.start(users.get(username=name), scope="orders").access for name in ("clerk", "boss", "root")}
    raws |= {"nobody": sessions.start(nobody).access, "": ""}

    model, anonymous = "DjangoModelPermissions", "DjangoModelPermissionsOrAnonReadOnly"
    wanted = {
        (model, "GET"): {"clerk": 200, "boss": 200, "root": 200, "nobody": 200, "": 401},
        (model, "POST"): {"clerk": 200, "boss": 403, "root": 200, "nobody": 403, "": 401},
        (model, "PATCH"): {"clerk": 200, "boss": 403, "root": 200, "nobody": 403, "": 401},
        (model, "DELETE"): {"clerk": 403, "boss": 403, "root": 200, "nobody": 403, "": 401},
        (anonymous, "GET"): {"clerk": 200, "boss": 200, "root": 200, "nobody": 200, "": 200},
        (anonymous, "POST"): {"clerk": 200, "boss": 403, "root": 200, "nobody": 403, "": 401},
        ("IsAdminUser", "GET"): {"clerk": 403, "boss": 200, "root": 403, "nobody": 403, "": 401},
        ("IsAuthenticatedOrReadOnly", "POST"): {"clerk": 200, "boss": 200, "root": 200, "nobody": 200, "": 401},
        ("scope:orders", "GET"): {"clerk": 200, "boss": 200, "root": 200, "nobody": 403, "": 401},
    }
    found = {}
    with conversation(SERVICE.format(issuer=issuer.url, audience=AUDIENCE)) as ask:
        for (name, method), row in wanted.items():
            found[name, method] = {who: int(ask(json.dumps([name, method, raws[who]]))) for who in row}
    assert found == wanted


def test_another_issuers_superuser_is_one_where_that_issuer_is_trusted(issuer):
    """Settings decide which issuers are trusted; what their tokens say is then believed."""
    raw = issuer.token(is_superuser=True, is_staff=True)
    with conversation(SERVICE.format(issuer=issuer.url, audience=AUDIENCE)) as ask:
        assert ask(json.dumps(["IsAdminUser", "GET", raw])) == "200"
        assert ask(json.dumps(["DjangoModelPermissions", "DELETE", raw])) == "200"


def test_coroutines_get_the_same_answers(hooks, editor):
    user = stateless(editor)

    async def ask():
        assert await user.aget_all_permissions() == user.get_all_permissions() != set()
        assert await user.ahas_perm("auth.view_user") is True
        assert await user.ahas_perms(["auth.view_user", "auth.add_user"]) is False
        assert await user.ahas_module_perms("auth") is True

    asyncio.run(ask())
