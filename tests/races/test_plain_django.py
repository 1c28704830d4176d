"""Plain Django views under our middleware: of requests at the same moment each is judged for itself."""

import pytest
from django.contrib.auth import get_user_model
from django.http import JsonResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt

from django_jwtauth import sessions
from django_jwtauth.decorators import jwt_required
from tests.races.urls import urlpatterns as _urlpatterns
from tests.tools.cookie_jar import ACCESS, Browser
from tests.tools.threads import CROWD

from .crowd import some, users

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.urls(__name__)]
URLS = ["/exempt/", "/required/", "/page/"]


def page(request):
    get_user_model().objects.filter(pk=request.user.pk).update(last_name="changed")
    return JsonResponse({"user": request.user.username})


urlpatterns = [
    *_urlpatterns,
    path("exempt/", csrf_exempt(page)),
    path("required/", jwt_required(page)),
    path("page/", page),
]


@pytest.fixture(autouse=True)
def _middleware(settings):
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, "django_jwtauth.middleware.JWTMiddleware"]
    rates = dict.fromkeys(["login", "login_address", "login_username", "refresh"])
    settings.JWTAUTH = {**settings.JWTAUTH, "THROTTLE_RATES": rates}


def signed_in(owner):
    browser = Browser()
    assert browser.sign_in(username=owner.username).status_code == 200
    return browser


@pytest.mark.parametrize("url", URLS)
def test_forged_requests_beside_right_ones_are_refused(together, url):
    owners = users(CROWD)
    browsers = [signed_in(owner) for owner in owners]

    def send(number):
        return browsers[number].send("POST", url, csrf=number % 2 == 0)

    for _ in range(5):
        answers = together(*[lambda number=number: send(number) for number in range(CROWD)])
        assert [answer.status_code for answer in answers] == [200, 403] * (CROWD // 2)
        assert [answer.json()["user"] for answer in answers[::2]] == [owner.username for owner in owners[::2]]
        changed = get_user_model().objects.filter(last_name="changed")
        assert set(changed.values_list("pk", flat=True)) == {owner.pk for owner in owners[::2]}
        changed.update(last_name="")


@pytest.mark.parametrize("url", URLS)
def test_a_csrf_token_that_a_new_sign_in_replaces_at_this_moment(together, url):
    """The other tab signs in again, so the token of the open form is replaced, while the form is sent."""
    for owner in users(some(25)):
        browser = signed_in(owner)
        form, other = Browser(), Browser()
        for tab in (form, other):
            tab.jar, tab.csrf_token = dict(browser.jar), browser.csrf_token
        sent, again = together(lambda form=form: form.send("POST", url), lambda other=other: other.sign_in())
        assert sent.status_code in (200, 401)  # before the new session ended the former one, or after
        assert again.status_code in (200, 401)
        old = sessions.find_by_any_token(browser.value(ACCESS))
        old.refresh_from_db()
        mixed = Browser()
        mixed.jar, mixed.csrf_token = dict(other.jar), browser.csrf_token  # the old form with the new cookies
        if again.status_code == 200:
            assert mixed.send("POST", url).status_code == 403
