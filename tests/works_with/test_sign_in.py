"""What stands beside the sign-in: limits, acting as others in Django's sessions, other origins."""

import pytest
from axes.models import AccessAttempt
from axes.utils import reset
from django.contrib.sessions.models import Session
from django.urls import path

from django_jwtauth import sessions
from django_jwtauth.models import RefreshToken
from tests.tools.admin import browser, html, superuser
from tests.tools.http import RIGHT, TOKEN, bearer
from tests.tools.routes import WithRoutes

from .page import run, set_up

pytestmark = pytest.mark.django_db
WRONG = {**RIGHT, "password": "wrong"}


# django-axes


def test_axes_locks_after_wrong_passwords_at_our_endpoints(client, user, settings):
    set_up(settings, "django-axes")
    settings.AXES_FAILURE_LIMIT = 3
    assert client.post(TOKEN, RIGHT).status_code == 200
    assert [client.post(TOKEN, WRONG).status_code for _ in range(3)] == [401, 401, 429]
    locked = client.post(TOKEN, RIGHT)
    assert (locked.status_code, b"locked" in locked.content) == (429, True)
    (attempt,) = AccessAttempt.objects.all()
    assert attempt.username == "ada"
    assert "correct horse" not in attempt.post_data
    reset(username="ada")
    answer = client.post(TOKEN, RIGHT)
    assert answer.status_code == 200
    assert client.get("/whoami/", **bearer(answer.json()["access"])).status_code == 200


def test_axes_starts_no_session_of_django_with_the_lines(client, user, settings):
    set_up(settings, "django-axes")
    assert client.post(TOKEN, RIGHT).cookies.keys() == set()
    assert not Session.objects.exists()
    settings.AXES_DISABLE_ACCESS_LOG = False
    assert client.post(TOKEN, RIGHT).cookies.keys() == {"sessionid"}


# django-ratelimit


def test_ratelimit_limits_a_view_of_ours(client, user):
    view = run("django-ratelimit").LimitedTokenView
    with WithRoutes(path("limited/", view.as_view())):
        assert [client.post("/limited/", RIGHT).status_code for _ in range(2)] == [200, 200]
        refused = client.post("/limited/", RIGHT)
    assert (refused.status_code, refused["Content-Type"]) == (403, "application/json")
    assert refused["Cache-Control"] == "no-store"
    assert RefreshToken.objects.count() == 2


# django-hijack, django-impersonate: both change Django's session only


def test_hijack_neither_ends_nor_starts_sessions_of_ours(user, settings):
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, "hijack.middleware.HijackUserMiddleware"]
    root = superuser()
    staff, pair = browser(root), sessions.start(user)
    own = sessions.start(root)
    assert "hijack" in html(staff.get("/admin/auth/user/"))
    assert staff.post("/hijack/acquire/", {"user_pk": user.pk}).status_code == 302
    assert staff.get("/whoami/").status_code == 401
    for access, person in ((pair.access, user), (own.access, root)):
        assert staff.get("/whoami/", **bearer(access)).json()["user"] == str(person.pk)
    assert RefreshToken.objects.count() == 2


def test_impersonate_does_not_change_whose_token_it_is(user, settings):
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, "impersonate.middleware.ImpersonateMiddleware"]
    root = superuser()
    staff, own = browser(root), sessions.start(root)
    assert staff.get(f"/impersonate/{user.pk}/").status_code == 302
    assert staff.get("/whoami/").status_code == 401
    assert staff.get("/whoami/", **bearer(own.access)).json()["user"] == str(root.pk)
    assert RefreshToken.objects.count() == 1


# django-cors-headers


def test_cors_headers_lets_pages_of_other_origins_sign_in(client, user, settings):
    settings.MIDDLEWARE = ["corsheaders.middleware.CorsMiddleware", *settings.MIDDLEWARE]
    settings.CORS_ALLOWED_ORIGINS = ["https://app.example"]
    app = {"Origin": "https://app.example"}
    asked = client.options(TOKEN, headers={**app, "Access-Control-Request-Method": "POST"})
    assert "POST" in asked["Access-Control-Allow-Methods"]
    for url, sent, status in ((TOKEN, RIGHT, 200), (TOKEN, WRONG, 401)):
        answer = client.post(url, sent, headers=app)
        assert (answer.status_code, answer["Access-Control-Allow-Origin"]) == (status, "https://app.example")
    assert "Access-Control-Allow-Origin" not in client.post(TOKEN, RIGHT, headers={"Origin": "https://evil.example"})
