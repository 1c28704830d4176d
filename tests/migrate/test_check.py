"""``jwtauth_migrate_check``: what it prints can be pasted, and it leaves nothing out."""

import importlib
import sys
from datetime import UTC, datetime, timedelta
from io import StringIO

import pytest
from django.conf import settings as django_settings
from django.contrib import admin
from django.contrib.auth import get_user_model
from django.core.checks import run_checks
from django.core.management import CommandError, call_command
from django.db import DatabaseError
from django.test import override_settings
from django.urls import include, path, re_path
from django.views import View
from rest_framework.views import APIView
from rest_framework_simplejwt import views as simple_views
from rest_framework_simplejwt.authentication import JWTAuthentication as SimpleJWTAuthentication
from rest_framework_simplejwt.settings import DEFAULTS

from django_jwtauth import conf, sessions, views
from django_jwtauth.authentication import JWTAuthentication
from django_jwtauth.contrib.simplejwt import sources, tables, translation
from django_jwtauth.keys import Key
from django_jwtauth.management.commands.jwtauth_migrate_check import Command
from tests.migrate import own, rules
from tests.tools.docs import page, section

pytestmark = pytest.mark.django_db
BRIDGE, BLACKLIST = "django_jwtauth.contrib.simplejwt", "rest_framework_simplejwt.token_blacklist"
SIMPLE, OURS = "rest_framework_simplejwt.authentication", "django_jwtauth.authentication"
# Without the app "tests", whose files use Simple JWT.
OWN_APPS = [app for app in django_settings.INSTALLED_APPS if app not in (BRIDGE, BLACKLIST, "tests")]
FIRST = [path("api/token/", simple_views.TokenObtainPairView.as_view())]
SECOND = [path("api/", include("django_jwtauth.urls"))]
SECRET = "a secret of the project, 0123456789"
ES256 = Key.generate("ES256").private_pem()


class Routed(View):
    pass


class RoutedAPI(APIView):
    authentication_classes = [own.HeaderAuthentication]


def function(request):
    raise NotImplementedError


def check(old=None, *, apps=(), classes=(f"{SIMPLE}.JWTAuthentication",), urls=FIRST):
    """Run the command in a project, and return the sections that it prints."""
    given = {
        "SIMPLE_JWT": old or {},
        "INSTALLED_APPS": [*OWN_APPS, *apps],
        "REST_FRAMEWORK": {"DEFAULT_AUTHENTICATION_CLASSES": list(classes)},
        "ROOT_URLCONF": type("urls", (), {"urlpatterns": list(urls)}),
    }
    out = StringIO()
    with override_settings(**given):
        call_command(Command(), stdout=out)
    parts = out.getvalue().split("# ")[1:]
    return {heading: body.strip() for heading, _, body in (part.partition("\n") for part in parts)}


def pasted(old, **kwargs):
    """Return the settings of a project after what the command prints was pasted below them."""
    here = {
        "SIMPLE_JWT": old,
        "INSTALLED_APPS": OWN_APPS,
        "REST_FRAMEWORK": {"DEFAULT_AUTHENTICATION_CLASSES": [f"{SIMPLE}.JWTAuthentication"]},
    }
    exec(check(old, **kwargs)["Settings to paste"], here)
    return {name: value for name, value in here.items() if name.isupper()}


def warnings(*args, **kwargs):
    return check(*args, **kwargs)["Warnings"]


def test_each_key_of_simple_jwt_has_a_line_in_its_order():
    assert list(translation.KEYS) == list(DEFAULTS)
    lines = check({"LEEWAY": 3})["What each key becomes"].splitlines()[: len(DEFAULTS)]
    assert [line.lstrip("* ").split()[0] for line in lines] == list(DEFAULTS)
    assert [line.split()[1] for line in lines if line.startswith("*")] == ["LEEWAY"]


def test_the_page_has_the_same_words():
    table = section(page("docs/migrating.md"), "## Settings")
    for key, becomes in translation.KEYS.items():
        assert f"| `{key}` | {becomes} |" in table


@pytest.mark.parametrize(
    ("old", "expected"),
    [
        ({}, {"CLAIMS": {"user_id": "id"}, "SESSION_LIFETIME": timedelta(days=1)}),
        ({"ACCESS_TOKEN_LIFETIME": timedelta(hours=1)}, {"ACCESS_TOKEN_LIFETIME": timedelta(hours=1)}),
        (
            {"ROTATE_REFRESH_TOKENS": True, "REFRESH_TOKEN_LIFETIME": timedelta(days=200)},
            {"REFRESH_TOKEN_LIFETIME": timedelta(days=200), "SESSION_LIFETIME": timedelta(days=200)},
        ),
        ({"ROTATE_REFRESH_TOKENS": True}, {"SESSION_LIFETIME": timedelta(days=90)}),
        ({"LEEWAY": 7}, {"LEEWAY": timedelta(seconds=7)}),
        ({"LEEWAY": timedelta(hours=1)}, {"LEEWAY": timedelta(minutes=5)}),
        ({"ISSUER": "https://a.example", "AUDIENCE": ["a", "b"]}, {"ISSUER": "https://a.example"}),
        ({"USER_ID_FIELD": "username", "USER_ID_CLAIM": "sub"}, {"SUBJECT_FIELD": "username"}),
        ({"USER_AUTHENTICATION_RULE": "tests.migrate.rules.nobody"}, {}),
        ({"USER_AUTHENTICATION_RULE": rules.nobody}, {"USER_AUTHENTICATION_RULE": rules.nobody}),
        (
            {"AUTH_TOKEN_CLASSES": ("rest_framework_simplejwt.tokens.SlidingToken",)},
            {"REFRESH_TOKEN_LIFETIME": timedelta(minutes=5), "SESSION_LIFETIME": timedelta(days=1)},
        ),
        ({"ALGORITHM": "ES256", "SIGNING_KEY": ES256}, {"SIGNING_KEYS": [{"alg": "ES256", "pem": ES256}]}),
        ({"SIGNING_KEY": SECRET}, {"SIGNING_KEYS": [{"alg": "HS256", "secret": SECRET}]}),
        ({"ALGORITHM": "HS512"}, {}),
        ({"SIGNING_KEY": "short"}, {}),
        ({"ALGORITHM": "RS256", "VERIFYING_KEY": "x", "JWK_URL": "https://a.example/keys"}, {}),
        ({"USER_ID_CLAIM": "jti", "ONCE": 1}, {}),
    ],
    ids=lambda given: "-".join(given),
)
def test_what_is_printed_is_accepted(old, expected, user):
    given = pasted(old)
    assert given["JWTAUTH"].items() >= expected.items()
    with override_settings(**given, ROOT_URLCONF="tests.urls"):
        found = {problem.id for problem in run_checks(databases=["default"]) if problem.id.startswith("jwtauth")}
        assert found <= {"jwtauth.W031"}  # the views of the tests are open
        assert conf.get_config().access_token_lifetime == given["JWTAUTH"]["ACCESS_TOKEN_LIFETIME"]
        if old.get("USER_AUTHENTICATION_RULE") is None:
            assert sessions.start(user).access


def test_what_is_printed_holds_until_the_last_old_token_has_expired():
    until = datetime.fromisoformat(pasted({"REFRESH_TOKEN_LIFETIME": timedelta(days=30)})["JWTAUTH_SIMPLEJWT"]["UNTIL"])
    assert timedelta(days=30) < until.replace(tzinfo=UTC) - datetime.now(UTC) <= timedelta(days=31)


def test_no_secret_is_printed():
    text = str(check({"ALGORITHM": "ES256", "SIGNING_KEY": ES256})) + str(check({"SIGNING_KEY": "not long enough"}))
    assert "BEGIN" not in text
    assert "not long enough" not in text


@pytest.mark.parametrize(
    ("old", "words"),
    [
        ({}, "KEEP_FIRST_TOKEN_UNTIL"),
        ({}, "Remove user_id from CLAIMS"),
        ({"AUTH_TOKEN_CLASSES": ("rest_framework_simplejwt.tokens.SlidingToken",)}, "exchanged for a pair"),
        ({"LEEWAY": 600}, "five minutes"),
        ({"JWK_URL": "https://a.example/keys"}, "TRUSTED_ISSUERS"),
        ({"ALGORITHM": "HS512"}, "signed with HS256"),
        ({"SIGNING_KEY": "short"}, "SIGNING_KEY cannot be used"),
        ({"SIGNING_KEY": SECRET}, "move the key itself"),
        ({"USER_ID_CLAIM": "jti"}, "jti has another meaning"),
        ({"AUTH_HEADER_TYPES": "JWT"}, "Another word than Bearer"),
        ({"AUTH_HEADER_NAME": "HTTP_X_TOKEN"}, "Another word than Bearer"),
        ({"CHECK_USER_IS_ACTIVE": False}, "inactive users will be refused"),
        ({"TOKEN_TYPE_CLAIM": "kind"}, "Clients that read the claim"),
        ({"TOKEN_OBTAIN_SERIALIZER": "shop.Own"}, "'shop.Own', becomes: instead of its get_token(), CLAIMS or hooks"),
        ({"JSON_ENCODER": rules.nobody}, "hooks return plain JSON"),
        ({"ACCESS_TOKEN_LIFETME": 1}, "ACCESS_TOKEN_LIFETME is no key of Simple JWT"),
    ],
    ids=str,
)
def test_what_needs_a_decision_is_named(old, words):
    assert words in check(old)["Decide"]


def test_what_has_the_default_is_not_named():
    decisions = check({"TOKEN_OBTAIN_SERIALIZER": DEFAULTS["TOKEN_OBTAIN_SERIALIZER"], "USER_ID_CLAIM": "sub"})
    assert decisions["Decide"].count("\n") == 0


def test_classes_are_replaced_where_they_stand():
    classes = [f"{SIMPLE}.JWTStatelessUserAuthentication", "rest_framework.authentication.SessionAuthentication"]
    printed = check(classes=classes)["Settings to paste"]
    assert f'= ["{OURS}.StatelessJWTAuthentication", "{classes[1]}"]' in printed
    assert "REST_FRAMEWORK" not in check(classes=[classes[1]])["Settings to paste"]
    assert f'["{OURS}.JWTAuthentication"]' in check(classes=[own.HeaderAuthentication])["Settings to paste"]


def test_code_of_ones_own_is_named_with_what_it_changes():
    routes = [
        path("a/", own.NamedView.as_view()),
        path("b/", simple_views.TokenObtainPairView.as_view(serializer_class=own.NamedSerializer)),
        path("c/", RoutedAPI.as_view()),
        path("d/", Routed.as_view()),
        path("e/", function),
    ]
    lines = check(classes=[f"{own.__name__}.Stateless"], urls=routes)["Move your own code"].splitlines()
    assert [line.split()[1].rpartition(".")[2] for line in lines] == [
        "HeaderAuthentication",
        "NamedSerializer",
        "NamedView",
        "Stateless",
    ]
    assert "has its own get_header. Base it on our class" in lines[0]
    assert "has its own get_token. get_token() becomes CLAIMS or a hook" in lines[1]
    assert "has its own serializer_class. Base it on the view of ours" in lines[2]
    assert "has its own name." in lines[3]


def test_views_that_name_a_class_of_simple_jwt_are_named():
    class Named(APIView):
        authentication_classes = [SimpleJWTAuthentication]

    routes = [path("a/", Named.as_view()), path("b/", APIView.as_view()), path("c/", function), *FIRST]
    (line,) = check(urls=routes)["Move your own code"].splitlines()
    assert line.endswith(
        ".Named has Simple JWT's JWTAuthentication in its authentication_classes: put ours in its place."
    )
    given = APIView.as_view(authentication_classes=[SimpleJWTAuthentication])
    assert "APIView has Simple JWT's" in check(urls=[path("a/", given)])["Move your own code"]


def test_a_serializer_that_only_a_setting_names_is_named_while_it_is_in_use():
    for serializer in (own.NamedSerializer, f"{own.__name__}.NamedSerializer"):
        old = {"TOKEN_OBTAIN_SERIALIZER": serializer}
        assert "NamedSerializer is based on Simple JWT's TokenObtainPairSerializer" in check(old)["Move your own code"]
        assert check(old, urls=SECOND)["Move your own code"] == "Nothing."


SHOP = {
    "views.py": """
from rest_framework_simplejwt.tokens import RefreshToken
from rest_framework_simplejwt import exceptions, views
from . import rest_framework_simplejwt


def me(request):
    if "email" in request.auth or request.auth is None:
        return request.auth["email"], request.user["email"], request.auth.sid, auth["email"]
    return RefreshToken.for_user(request.user)
""",
    "parts/permissions.py": """
import os, rest_framework_simplejwt.utils as utils


class Named:
    def has(self):
        return self.request.auth.payload["name"] or self.request.auth.get("name")
""",
    "template.py": "{{ no Python }}",
    "notes.txt": "import rest_framework_simplejwt",
    ".venv/other.py": "import rest_framework_simplejwt",
    "node_modules/other.py": "import rest_framework_simplejwt",
    "__init__.py": "",
}


@pytest.fixture
def shop(tmp_path, monkeypatch):
    for name, text in SHOP.items():
        file = tmp_path / "own_shop" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    yield "own_shop"
    sys.modules.pop("own_shop", None)


def test_files_that_read_tokens_as_simple_jwts_are_named(shop):
    lines = check(apps=[shop])["Move your own code"].splitlines()
    assert [line.partition(". For")[0].partition(". From")[0] for line in lines] == [
        "- own_shop/parts/permissions.py, line 7: request.auth is read like a dict",
        "- own_shop/parts/permissions.py, line 2: imports rest_framework_simplejwt.utils",
        "- own_shop/views.py, lines 8, 9: request.auth is read like a dict",
        "- own_shop/views.py, line 3: imports rest_framework_simplejwt.exceptions",
        "- own_shop/views.py, line 2: imports rest_framework_simplejwt.tokens",
    ]


def test_the_files_beside_the_urls_are_read_too(shop):
    module = importlib.import_module(shop)
    module.urlpatterns = FIRST
    with override_settings(ROOT_URLCONF=shop, INSTALLED_APPS=OWN_APPS):
        assert any("own_shop/views.py" in line for line in sources.findings())
        module.__file__ = None  # as of a package without files
        assert sources.findings() == []


def test_packages_are_not_read(tmp_path, monkeypatch):
    folder = tmp_path / "site-packages" / "bought"
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text("import rest_framework_simplejwt")
    monkeypatch.syspath_prepend(folder.parent)
    (tmp_path / "urls_beside_nothing.py").write_text("urlpatterns = []")
    monkeypatch.syspath_prepend(tmp_path)
    with override_settings(INSTALLED_APPS=[*OWN_APPS, "bought"], ROOT_URLCONF="urls_beside_nothing"):
        assert sources.findings() == []


def test_the_admin_issues_no_tokens():
    urls = [*FIRST, path("admin/", admin.site.urls)]
    assert warnings(apps=[BLACKLIST], urls=urls) == "Nothing."


def test_it_says_when_the_move_is_done(monkeypatch):
    def printed(**given):
        out = StringIO()
        done = {
            "SIMPLE_JWT": {},
            "INSTALLED_APPS": OWN_APPS,
            "REST_FRAMEWORK": {"DEFAULT_AUTHENTICATION_CLASSES": [f"{OURS}.JWTAuthentication"]},
            "ROOT_URLCONF": type("urls", (), {"urlpatterns": SECOND}),
        }
        with override_settings(**{**done, **given}):
            call_command(Command(), stdout=out)
        return out.getvalue()

    sentence = "Nothing of Simple JWT is left in this project: the move is done.\n"
    assert printed() != sentence  # its tables are there
    monkeypatch.setattr(tables, "are_there", lambda: False)
    assert printed() == sentence
    for left in (
        {"SIMPLE_JWT": {"LEEWAY": 3}},
        {"INSTALLED_APPS": [*OWN_APPS, BRIDGE]},
        {"INSTALLED_APPS": [*OWN_APPS, "rest_framework_simplejwt"]},
        {"REST_FRAMEWORK": {"DEFAULT_AUTHENTICATION_CLASSES": [f"{SIMPLE}.JWTAuthentication"]}},
        {"ROOT_URLCONF": type("urls", (), {"urlpatterns": FIRST})},
    ):
        assert printed(**left).startswith("# Settings to paste")


def test_a_project_that_has_moved_half_way_is_warned():
    both = [f"{SIMPLE}.JWTAuthentication", f"{OURS}.JWTAuthentication"]
    assert "comes first, and refuses our tokens" in warnings(classes=both)
    assert "which refuses them. Put ours" in warnings(urls=SECOND)
    assert "our class refuses them: add" in warnings(classes=both[1:])
    for classes, urls in ((both[1:], FIRST), (both[::-1], [*FIRST, *SECOND[:0]])):
        apps = [BRIDGE, BLACKLIST]
        assert warnings(apps=apps, classes=classes, urls=urls) == "Nothing."


def test_settings_that_nothing_reads_are_named():
    ours = {"classes": [f"{OURS}.JWTAuthentication"], "urls": SECOND}
    assert "SIMPLE_JWT is ignored" in warnings({"LEEWAY": 3}, **ours)
    assert "SIMPLE_JWT is ignored" not in warnings({}, **ours)
    for apps in ([BRIDGE], [BLACKLIST]):
        assert "SIMPLE_JWT is ignored" not in warnings({"LEEWAY": 3}, **{**ours, "apps": apps})


def test_tables_that_keep_users_from_being_deleted_are_named(monkeypatch):
    assert get_user_model().objects.count() == 0
    assert "cannot be deleted" in warnings()
    assert "cannot be deleted" not in warnings(apps=[BLACKLIST])

    def fail():
        raise DatabaseError

    monkeypatch.setattr(tables, "are_there", fail)
    assert "cannot be deleted" not in warnings()


def test_methods_that_nothing_calls_any_more_are_named():
    class Checked(JWTAuthentication):
        def get_user(self, token):
            raise NotImplementedError

    class CheckedView(views.LogoutView):
        authentication_classes = [Checked]

    found = warnings(apps=[BLACKLIST], classes=[f"{OURS}.JWTAuthentication"], urls=[path("a/", CheckedView.as_view())])
    assert found.startswith("- tests.migrate.test_check.")
    assert found.count("\n") == 0
    assert "Checked is based on our class, which never calls its get_user()." in found


def test_paths_that_hide_one_another_are_named():
    apps = [BLACKLIST]
    classes = [f"{OURS}.JWTAuthentication"]
    mine = re_path(r"^api/logout/?$", function)
    hidden = warnings(apps=apps, classes=classes, urls=[*SECOND, mine])
    assert "/api/logout/ is answered by django_jwtauth.views._revoke.LogoutView, which hides" in hidden
    hiding = warnings(apps=apps, classes=classes, urls=[mine, *SECOND])
    assert "function, which hides django_jwtauth.views" in hiding
    own_view = type("Own", (views.LogoutView,), {"__module__": "shop.views"})
    assert "hides" not in warnings(apps=apps, classes=classes, urls=[path("x/", own_view.as_view()), *SECOND])


def test_settings_of_another_kind_are_refused():
    with override_settings(SIMPLE_JWT=[]), pytest.raises(CommandError, match="must be a dict"):
        call_command(Command())
