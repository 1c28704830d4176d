"""Permissions, filters and caches for both kinds of users."""

import pytest
import rules
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.test import RequestFactory
from django.urls import path
from guardian.shortcuts import assign_perm, get_objects_for_user
from rest_framework.permissions import IsAuthenticated
from rest_framework.response import Response
from rest_framework.views import APIView
from rest_framework_api_key.models import APIKey
from rest_framework_api_key.permissions import HasAPIKey
from rest_framework_extensions.cache.decorators import cache_response
from rest_framework_extensions.key_constructor.bits import UserKeyBit
from rest_framework_extensions.key_constructor.constructors import KeyConstructor

from django_jwtauth import sessions
from django_jwtauth.authentication import JWTAuthentication, StatelessJWTAuthentication, StatelessUser
from tests.tools.http import RIGHT, TOKEN, bearer
from tests.tools.routes import WithRoutes

from .page import run

pytestmark = pytest.mark.django_db


def users_by(access):
    """Return the user of a request under either class."""
    request = RequestFactory().get("/", **bearer(access))
    return [cls().authenticate(request)[0] for cls in (JWTAuthentication, StatelessJWTAuthentication)]


# django-guardian


def test_guardian_decides_about_objects_for_users_of_the_database(client, user, settings):
    settings.AUTHENTICATION_BACKENDS = [
        "django.contrib.auth.backends.ModelBackend",
        "guardian.backends.ObjectPermissionBackend",
    ]
    other, third = (get_user_model().objects.create_user(name) for name in ("grace", "alan"))
    assign_perm("auth.view_user", user, other)
    loaded, stateless = users_by(client.post(TOKEN, RIGHT).json()["access"])
    assert loaded.has_perm("auth.view_user", other)
    assert not loaded.has_perm("auth.view_user", third)
    assert list(get_objects_for_user(loaded, "auth.view_user")) == [other]
    # A token says nothing about objects.
    assert not stateless.has_perm("auth.view_user", other)
    with pytest.raises(TypeError):
        get_objects_for_user(stateless, "auth.view_user")


# rules


def test_rules_has_the_same_answers_for_both_kinds_of_users(user, settings):
    settings.JWTAUTH = {"CLAIMS_HOOKS": ["django_jwtauth.hooks.groups", "django_jwtauth.hooks.staff"]}
    user.groups.add(Group.objects.create(name="editors"))
    loaded, stateless = users_by(sessions.start(user).access)
    predicates = {
        rules.is_authenticated: True,
        rules.is_active: True,
        rules.is_staff: False,
        rules.is_superuser: False,
        rules.is_group_member("editors"): True,
        rules.is_group_member("authors"): False,
        rules.is_group_member("editors") & ~rules.is_staff: True,
    }
    rules.add_perm("orders.cancel", rules.is_group_member("editors"))
    try:
        for person in (loaded, stateless):
            assert {predicate: predicate(person) for predicate in predicates} == predicates
            assert rules.has_perm("orders.cancel", person)
        settings.AUTHENTICATION_BACKENDS = [
            "rules.permissions.ObjectPermissionBackend",
            "django.contrib.auth.backends.ModelBackend",
        ]
        assert loaded.has_perm("orders.cancel")
        assert not stateless.has_perm("orders.cancel")
    finally:
        rules.remove_perm("orders.cancel")


# django-filter


def test_filter_filters_sessions(user):
    kept, ended = sessions.start(user).session, sessions.start(user).session
    sessions.revoke(ended, reason="admin")
    made = run("django-filter").SessionFilter
    assert not {"secret", "auth_hash"} & made.base_filters.keys()
    assert list(made({"revoked_reason": "admin"}).qs) == [ended]
    assert list(made({"id": str(kept.pk)}).qs) == [kept]


# drf-extensions


def test_extensions_keeps_the_cached_responses_of_two_issuers_apart(client, user):
    here, other = (StatelessUser(issuer=issuer, pk=str(user.pk), token=None) for issuer in ("here", "elsewhere"))

    class FromDatabase:
        def __init__(self, user):
            self.user = user

    def key_of(bit, person):
        return bit.get_data({}, None, None, FromDatabase(person), (), {})

    bit = run("drf-extensions").IssuerAndUserKeyBit()
    assert key_of(UserKeyBit(), here) == key_of(UserKeyBit(), other)
    assert len({str(key_of(bit, person)) for person in (here, other, user)}) == 3

    class Key(KeyConstructor):
        user = bit

    class Cached(APIView):
        authentication_classes = [StatelessJWTAuthentication]

        @cache_response(key_func=Key())
        def get(self, request):
            return Response({"user": request.user.pk})

    grace = get_user_model().objects.create_user("grace")
    with WithRoutes(path("cached/", Cached.as_view())):
        for person in (user, grace, user):
            answer = client.get("/cached/", **bearer(sessions.start(person).access))
            assert answer.json() == {"user": str(person.pk)}


# djangorestframework-api-key


def test_api_key_or_token(client, pair):
    class Either(APIView):
        permission_classes = [HasAPIKey | IsAuthenticated]

        def get(self, request):
            return Response({"user": str(request.user.pk)})

    _, key = APIKey.objects.create_key(name="a program")
    with WithRoutes(path("either/", Either.as_view())):
        for scheme, value, user in (("Api-Key", key, "None"), ("Bearer", pair.access, str(pair.session.user_id))):
            answer = client.get("/either/", headers={"Authorization": f"{scheme} {value}"})
            assert (answer.status_code, answer.json()) == (200, {"user": user})
        for headers in ({}, {"Authorization": "Api-Key none"}, {"Authorization": "Bearer none"}):
            assert client.get("/either/", headers=headers).status_code == 401
