"""What the page on migrating tells people to paste, as it stands there."""

import pytest
from django.contrib.auth import get_user_model
from django.core.management import get_commands
from django.urls import path, reverse

from django_jwtauth import sessions
from django_jwtauth.authentication import JWTAuthentication
from django_jwtauth.contrib.simplejwt.settings import get_settings
from django_jwtauth.views import LogoutView
from tests.tools.docs import FENCE, page, section
from tests.tools.routes import WithRoutes
from tests.tools.simplejwt import reason, sign_in
from tests.urls import WhoAmI

pytestmark = pytest.mark.django_db
BLOCKS = FENCE.findall(page("docs/migrating.md"))
URLS = [block for block in BLOCKS if "urlpatterns" in block]


@pytest.fixture(params=URLS, ids=["step 1", "step 2"])
def pasted(request, settings):
    module = type("urls", (), {"urlpatterns": [path("mine/", lambda request: None, name="mine")]})
    here = {"urlpatterns": module.urlpatterns}
    exec(request.param, here)
    settings.ROOT_URLCONF = module
    return here


def test_both_steps_keep_paths_and_names_and_accept_old_tokens(pasted, client):
    user = get_user_model().objects.create_user("bob", password="correct horse")
    assert reverse("mine") == "/mine/"
    new = client.post(reverse("token_obtain_pair"), {"username": "bob", "password": "correct horse"}).json()
    for token in (str(sign_in(user)), new["refresh"]):
        assert client.post("/api/token/refresh/", {"refresh": token}).status_code == 200
        assert client.post(reverse("token_blacklist"), {"refresh": token}).status_code == 200
        assert client.post(reverse("token_refresh"), {"refresh": token}).status_code == 401


def test_another_word_than_bearer(client, pair):
    (block,) = FENCE.findall(section(page("docs/migrating.md"), "## Another word than Bearer"))
    here = {}
    exec(block, here)
    with WithRoutes(
        path("me/", WhoAmI.as_view(authentication_classes=[here["BothWords"]])),
        path("out/", LogoutView.as_view(authentication_classes=[here["BothWords"]])),
    ):
        for word in ("JWT", "JWT  ", "Bearer", "bearer"):
            assert client.get("/me/", headers={"Authorization": f"{word} {pair.access}"}).status_code == 200
        for header in ("JWT", "JWT ", f"JWT {pair.access} x", f"jwt {pair.access}", f"JWT {pair.refresh}", "Other x"):
            assert client.get("/me/", headers={"Authorization": header}).status_code == 401
        assert client.post("/out/", headers={"Authorization": f"JWT {pair.access}"}).status_code == 204
        assert client.get("/me/", headers={"Authorization": f"JWT {pair.access}"}).status_code == 401


def test_the_old_methods_have_a_counterpart(user, pair):
    assert "`authenticate_token(raw)` returns both: `user, token`" in page("docs/migrating.md")
    found, token = JWTAuthentication().authenticate_token(pair.access)
    assert (found, token.sid) == (user, str(pair.session.pk))


def test_blanks_are_taken_as_the_page_says(client, user, pair):
    for name, password, status in ((" ada ", "correct horse", 200), ("ada", "correct horse ", 401)):
        assert client.post("/auth/token/", {"username": name, "password": password}).status_code == status
    for url in ("/auth/token/refresh/", "/auth/token/verify/"):
        body = {"refresh": f" {pair.refresh} ", "token": f" {pair.access} "}
        assert reason(client.post(url, body, format="json")) == "invalid"


def test_the_claim_that_named_the_user_is_added_by_one_line(user, settings):
    settings.JWTAUTH = {"CLAIMS": {"user_id": "pk"}}
    found, token = JWTAuthentication().authenticate_token(sessions.start(user).access)
    assert token.claims["user_id"] == found.pk == int(token.subject)


def test_the_settings_that_are_shown_are_accepted(settings):
    here = {"INSTALLED_APPS": [], "REST_FRAMEWORK": {}}
    for block in BLOCKS:
        if "JWTAUTH_SIMPLEJWT =" in block:
            exec(block, here)
            settings.JWTAUTH_SIMPLEJWT = here["JWTAUTH_SIMPLEJWT"]
            assert get_settings().until.year == 2027
    assert here["INSTALLED_APPS"] == ["django_jwtauth", "django_jwtauth.contrib.simplejwt"]


def test_the_commands_that_are_shown_exist():
    text = page("docs/migrating.md")
    for name in ("jwtauth_import_simplejwt", "jwtauth_drop_simplejwt", "jwtauth_simplejwt_status"):
        assert f"python manage.py {name}" in text
        assert get_commands()[name] == "django_jwtauth.contrib.simplejwt"
    assert "python manage.py jwtauth_migrate_check" in text
    assert get_commands()["jwtauth_migrate_check"] == "django_jwtauth"
