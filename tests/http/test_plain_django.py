"""The middleware and the decorator for plain Django views, called with a token in the header."""

import time

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth import get_user_model
from django.contrib.auth.decorators import login_not_required, login_required, permission_required
from django.contrib.auth.models import Permission
from django.core.exceptions import ImproperlyConfigured
from django.db import connection
from django.http import HttpResponse, JsonResponse, StreamingHttpResponse
from django.template import engines
from django.template.response import TemplateResponse
from django.test import AsyncClient, Client
from django.test.utils import CaptureQueriesContext
from django.urls import path
from django.utils.decorators import method_decorator
from django.views import View
from django.views.decorators.csrf import csrf_exempt
from rest_framework.exceptions import PermissionDenied

from django_jwtauth import revocation_cache, sessions
from django_jwtauth.authentication import JWTAuthentication, StatelessJWTAuthentication
from django_jwtauth.decorators import jwt_required
from tests import urls
from tests.tools.database import database_away
from tests.tools.http import bearer
from tests.tools.plain import OwnAPI
from tests.tools.products import in_turn
from tests.tools.revocation_cache import make_list_old

pytestmark = [pytest.mark.urls(__name__), pytest.mark.django_db(transaction=True)]
MIDDLEWARE = "django_jwtauth.middleware.JWTMiddleware"
LOGIN_REQUIRED = "django.contrib.auth.middleware.LoginRequiredMiddleware"
CHALLENGE = 'Bearer realm="api", error="invalid_token"'
STATELESS = "django_jwtauth.authentication.StatelessJWTAuthentication"
TEMPLATE = "{{ user.is_authenticated }} {{ user.get_username }} {{ perms.auth.add_user }}"


def told(request):
    return {"user": request.user.get_username(), "auth": getattr(request.auth, "sid", None)}


def who(request):
    return JsonResponse(told(request))


async def awho(request):
    user = await request.auser()
    return JsonResponse({"user": user.get_username(), "auth": getattr(request.auth, "sid", None)})


def quiet(request):
    return HttpResponse("nobody looked")


def page(request):
    return TemplateResponse(request, engines["django"].from_string(TEMPLATE))


def stream(request):
    return StreamingHttpResponse([request.user.get_username()])


def broken(request):
    raise RuntimeError(request.user.get_username())


class PermittedView(View):
    @method_decorator(jwt_required)
    def get(self, request):
        return who(request)


@method_decorator(jwt_required, name="dispatch")
class TokenView(View):
    def get(self, request):
        return who(request)

    post = get


@method_decorator(jwt_required(optional=True), name="dispatch")
class AsyncTokenView(View):
    async def get(self, request):
        return await awho(request)

    post = get


urlpatterns = [
    *urls.urlpatterns,
    path("who/", who),
    path("awho/", awho),
    path("quiet/", quiet),
    path("page/", page),
    path("stream/", stream),
    path("broken/", broken),
    path("exempt/", csrf_exempt(who)),
    path("open/", login_not_required(csrf_exempt(lambda request: quiet(request)))),
    path("mine/", login_required(who)),
    path("amine/", login_required(awho)),
    path("may/", permission_required("auth.add_user", raise_exception=True)(who)),
    path("amay/", permission_required("auth.add_user", raise_exception=True)(awho)),
    path("api/", OwnAPI.as_view()),
    path("required/", jwt_required(who)),
    path("arequired/", jwt_required(awho)),
    path("optional/", jwt_required(optional=True)(who)),
    path("stateless-required/", jwt_required(authentication_class=StatelessJWTAuthentication)(awho)),
    path("class/", TokenView.as_view()),
    path("aclass/", AsyncTokenView.as_view()),
    path("method/", PermittedView.as_view()),
]


@pytest.fixture(autouse=True)
def _list_is_read(user):
    """Otherwise a thread would read it on the first use, and its connection to a database in memory stays open."""
    StatelessJWTAuthentication().authenticate_token(sessions.start(user).access)


@pytest.fixture
def middleware(settings):
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, MIDDLEWARE]
    settings.LOGIN_URL = "/sign-in/"


@pytest.fixture(params=["Client", "AsyncClient"])
def ask(request):
    """Ask as a server with threads does, and as one with an event loop."""
    make = {"Client": Client, "AsyncClient": AsyncClient}[request.param]

    def ask(method, url, *, session="", **more):
        client = make(enforce_csrf_checks=True)
        if session:
            client.cookies["sessionid"] = session
        send = getattr(client, method)
        return (async_to_sync(send) if make is AsyncClient else send)(url, **more)

    return ask


def session_of(user):
    """Sign in with Django's own session, and return its key."""
    client = Client()
    client.force_login(user)
    return client.cookies["sessionid"].value


VIEWS = ["/who/", "/awho/", "/mine/", "/amine/"]
each_view = pytest.mark.parametrize("url", VIEWS)
DECORATED = ["/required/", "/arequired/", "/class/", "/method/", "/optional/", "/aclass/", "/stateless-required/"]
each_decorated = pytest.mark.parametrize("url", DECORATED)
METHODS = ("get", "post")


# The middleware


@pytest.mark.parametrize(
    ("method", "cls", "url"),
    in_turn(
        {
            f"{method}-{name}": (method, cls)
            for method in METHODS
            for name, cls in {"stateless": STATELESS, "stateful": JWTAuthentication, "default": None}.items()
        },
        {url: url for url in VIEWS},
    ),
)
def test_a_token_in_the_header_is_the_user(middleware, settings, ask, user, pair, url, method, cls):
    settings.JWTAUTH = {"AUTHENTICATION_CLASS": cls} if cls else {}
    answer = ask(method, url, **bearer(pair.access))
    name = str(user.pk) if cls == STATELESS else "ada"
    assert (answer.status_code, answer.json()) == (200, {"user": name, "auth": str(pair.session.pk)})
    assert {"Authorization", "Cookie"} <= set(answer["Vary"].split(", "))


@each_view
@pytest.mark.parametrize("method", ["get", "post"])
def test_a_refused_token_is_answered_as_rest_framework_does(middleware, ask, pair, url, method):
    sessions.revoke(pair.session)
    for raw, reason in ((pair.access, "revoked"), ("nonsense", "invalid"), (pair.refresh, "invalid")):
        refused = ask(method, url, **bearer(raw))
        assert (refused.status_code, refused["WWW-Authenticate"]) == (401, CHALLENGE)
        assert (refused.json()["code"], refused["Cache-Control"]) == ("token_not_valid", "no-store")
        assert reason == "revoked" or refused.json()["reason"] != "revoked"


def test_nobody_is_looked_for_before_somebody_asks(middleware, ask, pair):
    with CaptureQueriesContext(connection) as queries:
        answers = [ask("get", "/quiet/", **bearer(raw)) for raw in (pair.access, "nonsense")]
    assert [(answer.status_code, answer.has_header("Vary")) for answer in answers] == [(200, False)] * 2
    assert len(queries) == 0


def test_one_statement_finds_user_and_token(middleware, pair):
    with CaptureQueriesContext(connection) as queries:
        Client().get("/who/", **bearer(pair.access))
    assert len(queries) == 1


def test_what_is_unsafe_is_refused_before_the_view_runs(middleware, ask, pair):
    assert ask("post", "/open/").content == b"nobody looked"
    for url in ("/quiet/", "/exempt/", "/open/"):
        refused = ask("post", url, **bearer("nonsense"))
        assert (refused.status_code, refused.json()["reason"]) == (401, "invalid")
    assert ask("post", "/quiet/", **bearer(pair.access)).status_code == 200


def test_without_a_token_the_csrf_check_is_djangos(middleware, ask, pair):
    assert ask("post", "/who/").status_code == 403
    assert ask("post", "/who/", headers={"Authorization": "Basic YTpi"}).status_code == 403
    assert ask("post", "/who/", **bearer(pair.access)).status_code == 200


def test_an_ignored_token_saves_no_csrf_check(middleware, settings, ask):
    settings.JWTAUTH = {"IGNORE_FOREIGN_TOKENS": True}
    assert ask("post", "/who/", **bearer("foreign")).status_code == 403
    assert ask("get", "/who/", **bearer("foreign")).json() == {"user": "", "auth": None}


def test_a_test_client_without_csrf_checks_goes_on_without(middleware, pair):
    assert Client().post("/who/").json() == {"user": "", "auth": None}
    assert Client().post("/who/", **bearer(pair.access)).json()["user"] == "ada"


@pytest.mark.parametrize("url", ["/may/", "/amay/"])
@pytest.mark.parametrize("cls", [None, STATELESS])
def test_permissions(middleware, settings, ask, user, url, cls):
    settings.JWTAUTH = {"CLAIMS_HOOKS": ["django_jwtauth.hooks.permissions"]}
    settings.JWTAUTH |= {"AUTHENTICATION_CLASS": cls} if cls else {}
    assert ask("get", url, **bearer(sessions.start(user).access)).status_code == 403
    user.user_permissions.add(Permission.objects.get(codename="add_user"))
    user = get_user_model().objects.get()  # without what it has kept of its permissions
    assert ask("get", url, **bearer(sessions.start(user).access)).status_code == 200


def test_templates(middleware, ask, user, pair):
    assert ask("get", "/page/").content == b"False  False"
    assert ask("get", "/page/", **bearer(pair.access)).content == b"True ada False"
    get_user_model().objects.filter(pk=user.pk).update(is_superuser=True)
    assert ask("get", "/page/", **bearer(pair.access)).content == b"True ada True"
    assert ask("get", "/page/", **bearer("nonsense")).status_code == 401
    assert ask("get", "/stream/", **bearer("nonsense")).json()["reason"] == "invalid"


def test_who_has_no_token_is_sent_to_sign_in(middleware, ask):
    for url in ("/mine/", "/amine/"):
        assert ask("get", url)["Location"] == f"/sign-in/?next={url}"


@pytest.mark.parametrize("first", [MIDDLEWARE, LOGIN_REQUIRED])
def test_login_required_middleware(middleware, settings, ask, pair, first):
    others = [name for name in settings.MIDDLEWARE if name != MIDDLEWARE]
    settings.MIDDLEWARE = [*others, *sorted([MIDDLEWARE, LOGIN_REQUIRED], key=lambda name: name != first)]
    assert ask("get", "/who/")["Location"] == "/sign-in/?next=/who/"
    assert ask("get", "/who/", **bearer("nonsense")).status_code == 401
    assert ask("get", "/who/", **bearer(pair.access)).status_code == 200
    for url in ("/required/", "/arequired/", "/optional/", "/aclass/"):
        assert ask("get", url, **bearer(pair.access)).status_code == 200
    assert ask("get", "/required/").status_code == 401
    assert ask("get", "/optional/").status_code == 200


def test_errors_of_views_stay_errors(middleware, pair):
    client = Client(raise_request_exception=False)
    assert client.get("/broken/", **bearer(pair.access)).status_code == 500
    assert client.get("/broken/", **bearer("nonsense")).status_code == 500


def test_the_header_comes_before_djangos_session(middleware, ask, pair):
    other = get_user_model().objects.create_user("grace", password="x")
    key = session_of(other)
    for url in ("/who/", "/awho/"):
        assert ask("get", url, session=key).json() == {"user": "grace", "auth": None}
        assert ask("get", url, session=key, **bearer(pair.access)).json()["user"] == "ada"
        assert ask("get", url, session=key, **bearer("nonsense")).status_code == 401


def test_it_works_without_djangos_sessions(settings, ask, pair):
    settings.MIDDLEWARE = [MIDDLEWARE, "django.middleware.csrf.CsrfViewMiddleware"]
    for url in ("/who/", "/awho/", "/required/", "/optional/"):
        assert ask("get", url, **bearer(pair.access)).json()["user"] == "ada"
    assert ask("get", "/who/").json() == ask("get", "/awho/").json() == {"user": "", "auth": None}
    assert ask("get", "/optional/").json() == {"user": "", "auth": None}
    assert ask("post", "/awho/").status_code == 403


def some_user(get_response):
    """A middleware that knows nothing of coroutines, and sets a user of its own."""

    def middleware(request):
        request.user = get_user_model().objects.filter(username=request.GET.get("as", "")).first()
        if request.user is None:
            del request.user
        return get_response(request)

    return middleware


def test_a_user_of_another_middleware_is_one_of_djangos_session(settings, ask, user, pair):
    settings.MIDDLEWARE = [f"{__name__}.some_user", MIDDLEWARE]
    for url in ("/who/", "/awho/"):
        assert ask("get", f"{url}?as=ada").json() == {"user": "ada", "auth": None}
        assert ask("get", f"{url}?as=ada", **bearer(pair.access)).json()["auth"] == str(pair.session.pk)
        assert ask("get", url).json() == {"user": "", "auth": None}


def test_views_of_rest_framework_see_nothing_of_it(middleware, ask, pair):
    for raw in (pair.access, "nonsense"):
        answer = ask("get", "/api/", **bearer(raw))
        assert (answer.status_code, answer.json()) == (200, {"user": "", "plain": ""})
    body = {"username": "ada", "password": "correct horse"}
    assert ask("post", "/auth/token/", data=body, **bearer("nonsense")).status_code == 200
    assert ask("get", "/whoami/", **bearer(pair.access)).json()["sid"] == str(pair.session.pk)


def test_sign_in_and_out_of_djangos_own(middleware, user):
    """The admin's pages, which know nothing of tokens."""
    get_user_model().objects.filter(pk=user.pk).update(is_staff=True, is_superuser=True)
    client = Client()
    form = {"username": "ada", "password": "correct horse", "next": "/admin/"}
    assert client.post("/admin/login/", form)["Location"] == "/admin/"
    assert client.get("/admin/").status_code == 200
    assert client.post("/admin/logout/").status_code == 200
    assert client.get("/admin/").status_code == 302


# The decorator


@pytest.mark.parametrize(
    ("url", "method", "beside"),
    in_turn(
        {url: url for url in DECORATED},
        {f"{method}-{name}": (method, name == "middleware") for method in METHODS for name in ("middleware", "alone")},
    ),
)
def test_a_decorated_view_is_called_with_a_good_token_only(request, ask, user, pair, url, method, beside):
    if beside:
        request.getfixturevalue("middleware")
    method = "get" if url == "/method/" else method
    answer = ask(method, url, **bearer(pair.access))
    name = str(user.pk) if "stateless" in url else "ada"
    assert (answer.status_code, answer.json()) == (200, {"user": name, "auth": str(pair.session.pk)})
    assert {"Authorization", "Cookie"} <= set(answer["Vary"].split(", "))
    refused = ask(method, url, **bearer(pair.refresh))
    assert (refused.status_code, refused.json()["code"]) == (401, "token_not_valid")
    assert refused["WWW-Authenticate"] == CHALLENGE


@each_decorated
def test_a_decorated_view_without_a_token(ask, url):
    answer = ask("get", url)
    if url in ("/optional/", "/aclass/"):
        assert (answer.status_code, answer.json()) == (200, {"user": "", "auth": None})
        assert ask("post", url).json()["reason"] == "csrf"
    else:
        assert (answer.status_code, answer["WWW-Authenticate"]) == (401, 'Bearer realm="api"')
        assert answer.json()["code"] == answer.json()["reason"] == "not_authenticated"


def test_django_s_session_is_no_token(ask, user):
    key = session_of(user)
    assert ask("get", "/required/", session=key).status_code == 401
    assert ask("get", "/optional/", session=key).json() == {"user": "ada", "auth": None}
    assert ask("post", "/optional/", session=key).status_code == 403


def test_one_statement_per_call(pair):
    with CaptureQueriesContext(connection) as queries:
        Client().get("/required/", **bearer(pair.access))
    assert len(queries) == 1


class Cautious(JWTAuthentication):
    """A class of a project, whose refusals are text."""

    def authenticate_token(self, raw):
        raise PermissionDenied("Not today.")


def test_a_refusal_of_a_projects_own_class(middleware, settings, ask, pair):
    settings.JWTAUTH = {"AUTHENTICATION_CLASS": Cautious}
    for url in ("/who/", "/awho/", "/required/", "/arequired/"):
        refused = ask("get", url, **bearer(pair.access))
        assert (refused.status_code, refused.json()) == (403, {"detail": "Not today."})


def test_a_token_that_cannot_be_checked(middleware, settings, ask, pair):
    settings.JWTAUTH = {"AUTHENTICATION_CLASS": STATELESS}
    make_list_old(600)
    revocation_cache._list._failed = 3
    revocation_cache._list._retry_at = time.monotonic() + 60
    for url in ("/who/", "/awho/", "/required/", "/stateless-required/"):
        answer = ask("get", url, **bearer(pair.access))
        assert (answer.status_code, answer["Retry-After"], answer.json()["reason"]) == (503, "1", "stale")


# Settings


@pytest.mark.parametrize(
    ("change", "named"),
    [({"AUTHENTICATION_CLASS": "nowhere.Class"}, "nowhere"), ({"AUTHENTICATION_CLASS": 3}, "AUTHENTICATION_CLASS")],
)
def test_a_wrong_class_is_an_error_and_not_a_refusal(middleware, settings, change, named):
    settings.JWTAUTH = change
    with pytest.raises((ImproperlyConfigured, ImportError), match=named):
        Client().get("/who/")


@pytest.mark.parametrize(("method", "url"), [("get", "/who/"), ("get", "/awho/"), ("post", "/exempt/")])
def test_while_the_database_is_away_nobody_is_signed_out(middleware, ask, user, pair, url, method):
    """Django's own session needs it as much as a token does."""
    for sent in (bearer(pair.access), {"session": session_of(user)}):
        with database_away():
            response = ask(method, url, **sent)
        assert (response.status_code, response["Retry-After"]) == (503, "1")
        assert response.json()["reason"] == "unavailable"
        assert "Set-Cookie" not in response


def test_an_error_that_is_no_outage_stays_one(middleware, settings, ask, pair):
    class Broken(JWTAuthentication):
        def authenticate(self, request):
            raise ZeroDivisionError

    settings.JWTAUTH = {"AUTHENTICATION_CLASS": Broken}
    for url in ("/who/", "/awho/"):
        with pytest.raises(ZeroDivisionError):
            ask("get", url, **bearer(pair.access))
