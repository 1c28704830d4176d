"""The ready-made hooks: what they give, what that costs, and that the stateless user then answers as the real one."""

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group, Permission

from django_jwtauth import conf, hooks, sessions
from django_jwtauth.authentication import JWTAuthentication, StatelessJWTAuthentication
from django_jwtauth.errors import ClaimsHookError
from tests.tools.processes import run_script

ALL = ["groups", "permissions", "staff"]
PERMISSIONS = ["auth.add_user", "auth.change_group", "auth.view_user", "django_jwtauth.introspect_token"]


@pytest.fixture
def with_hooks(settings):
    def with_hooks(*names, **more):
        settings.JWTAUTH = {"CLAIMS_HOOKS": [f"django_jwtauth.hooks.{name}" for name in names], **more}

    return with_hooks


@pytest.fixture
def packer(user):
    """A user of two groups, with a permission from each and two of her own."""
    every = Permission.objects.select_related("content_type")
    by_name = {f"{permission.content_type.app_label}.{permission.codename}": permission for permission in every}
    for number, name in enumerate(["Zürich", "packers"]):
        group = Group.objects.create(name=name)
        group.permissions.add(by_name[PERMISSIONS[number]], by_name[PERMISSIONS[2]])
        user.groups.add(group)
    user.user_permissions.add(by_name[PERMISSIONS[2]], by_name[PERMISSIONS[3]])
    return get_user_model().objects.get()


def given(user, *names):
    claims = conf.get_config().verifier.verify(sessions.start(user).access).claims
    return {name: claims[name] for name in ("groups", "permissions", "is_staff", "is_superuser") if name in claims}


def test_a_user_with_nothing(user, with_hooks):
    with_hooks(*ALL)
    assert given(user) == {"groups": [], "permissions": [], "is_staff": False, "is_superuser": False}


def test_groups_and_permissions_are_sorted_and_each_is_there_once(packer, with_hooks):
    with_hooks(*ALL)
    claims = given(packer)
    assert sorted(claims["groups"]) == ["Zürich", "packers"]
    assert claims["permissions"] == PERMISSIONS


@pytest.mark.parametrize("name", ALL)
def test_each_gives_its_own_only(packer, with_hooks, name):
    with_hooks(name)
    assert given(packer).keys() == ({"is_staff", "is_superuser"} if name == "staff" else {name})


def test_superusers_get_no_list_of_all_there_is(packer, with_hooks):
    packer.is_superuser = packer.is_staff = True
    packer.save()
    with_hooks("permissions")
    assert given(packer) == {"permissions": [], "is_superuser": True}
    with_hooks(*ALL)
    assert given(packer)["is_staff"] is True


def test_permissions_that_make_the_token_too_long_are_an_error_that_names_the_hook(packer, with_hooks):
    packer.user_permissions.set(Permission.objects.all())
    with_hooks(*ALL, MAX_TOKEN_LENGTH=900)
    with pytest.raises(ClaimsHookError, match=r"django_jwtauth\.hooks\.permissions.*MAX_TOKEN_LENGTH"):
        sessions.start(get_user_model().objects.get())


@pytest.mark.parametrize(("name", "queries"), [("groups", 1), ("permissions", 2), ("staff", 0)])
def test_what_they_cost(packer, django_assert_num_queries, name, queries):
    hook = getattr(hooks, name)
    with django_assert_num_queries(queries):
        hook(packer, request=None, session=None)


def test_a_user_model_without_them_is_an_error_that_names_the_hook():
    """Not an empty list, which would look like a user without permissions. In a process of its own, for that model."""
    run_script(
        """
        import django

        django.setup()
        from django.contrib.auth import get_user_model
        from django.core.management import call_command
        from django.test import override_settings
        from django_jwtauth import sessions
        from django_jwtauth.errors import ClaimsHookError
        from django_jwtauth.models import RefreshToken

        call_command("migrate", verbosity=0)
        user = get_user_model().objects.create_user("ada@example.com", "correct horse")
        for name in ("groups", "permissions", "staff"):
            hook = "django_jwtauth.hooks." + name
            with override_settings(JWTAUTH={"CLAIMS_HOOKS": [hook]}):
                try:
                    sessions.start(user)
                except ClaimsHookError as error:
                    assert error.hook == hook and "it raised AttributeError" in str(error), error
                else:
                    raise AssertionError(name)
        assert not RefreshToken.objects.exists()
        """,
        DJANGO_SETTINGS_MODULE="tests.customusers.settings",
        DATABASE=":memory:",
    )


@pytest.mark.parametrize("change", [{}, {"is_staff": True}, {"is_staff": True, "is_superuser": True}], ids=str)
def test_the_stateless_user_answers_as_the_real_one(packer, with_hooks, change):
    for name, value in change.items():
        setattr(packer, name, value)
    packer.save()
    with_hooks(*ALL)
    raw = sessions.start(packer).access
    real, _ = JWTAuthentication().authenticate_token(raw)
    stateless, _ = StatelessJWTAuthentication().authenticate_token(raw)
    assert set(stateless.groups) == {group.name for group in real.groups.all()}
    for name in ("is_staff", "is_superuser", "is_active", "is_authenticated", "is_anonymous"):
        assert getattr(stateless, name) is getattr(real, name)
    for permission in (*PERMISSIONS, "auth.delete_user", "auth", "", "no.such_permission"):
        assert stateless.has_perm(permission) == real.has_perm(permission)
    for permissions in ([], PERMISSIONS, [*PERMISSIONS, "auth.delete_user"]):
        assert stateless.has_perms(permissions) == real.has_perms(permissions)
    for label in ("auth", "django_jwtauth", "admin", ""):
        assert stateless.has_module_perms(label) == real.has_module_perms(label)
    assert stateless.has_perm("auth.add_user", object()) == real.has_perm("auth.add_user", object())
