"""The checks of the views that a project has routed."""

import pytest
from django.urls import include, path, re_path
from rest_framework.views import APIView

from django_jwtauth import browser_views, views
from django_jwtauth.route_checks import check_refresh_views, check_sign_out
from tests.tools.products import each_row
from tests.tools.routes import WithRoutes


class MyRefresh(views.TokenRefreshView):
    pass


class MyBrowserRefresh(browser_views.BrowserRefreshView):
    pass


class MyToken(views.TokenView):
    refresh_view_class = MyRefresh


def warned(*routes):
    with WithRoutes(*routes):
        return [message.msg for message in check_refresh_views(app_configs=None)]


REFRESH = path("auth/token/refresh/", MyRefresh.as_view())


def test_a_refresh_view_that_the_sign_in_view_walks_round_is_reported():
    (message,) = warned(REFRESH)
    assert "at auth/token/ too, and the rules of MyRefresh do not hold there" in message
    assert len(warned(path("v2/", include([path("refresh/", MyRefresh.as_view())])))) == 1


@each_row(
    "routes",
    [
        [],
        [path("auth/browser/refresh/", MyBrowserRefresh.as_view())],
        [REFRESH, path("auth/token/", MyToken.as_view())],
        [REFRESH, path("auth/token/", views.TokenView.as_view(refresh_view_class=MyRefresh))],
        [REFRESH, path("auth/token/", views.TokenView.as_view(oauth_grants=("password",)))],
    ],
)
def test_where_its_rules_hold_nothing_is_reported(routes):
    assert warned(*routes) == []


@pytest.mark.parametrize(("name", "value"), [("ROOT_URLCONF", None), ("JWTAUTH", {"NONSENSE": 1})])
def test_without_routes_or_with_wrong_settings_nothing_is_said(settings, name, value):
    setattr(settings, name, value)
    assert check_refresh_views(app_configs=None) == []


def foreign_sign_out(**names):
    """Return a view of a class that is named as dj-rest-auth's."""
    return type("LogoutView", (APIView,), {"__module__": "dj_rest_auth.views"} | names).as_view()


OURS = path("rest/logout/", views.LogoutView.as_view())
THEIRS = re_path("rest/logout/?$", foreign_sign_out())


@pytest.mark.parametrize(
    ("routes", "given", "count"),
    [
        ([THEIRS], {"TOKEN_MODEL": None}, 1),
        ([THEIRS, OURS], {"TOKEN_MODEL": None}, 1),
        ([OURS, THEIRS], {"TOKEN_MODEL": None}, 0),
        ([THEIRS], {}, 0),
        ([THEIRS], {"TOKEN_MODEL": None, "USE_JWT": True}, 0),
        ([path("rest/logout/", foreign_sign_out(__module__="project.views"))], {"TOKEN_MODEL": None}, 0),
        ([], {"TOKEN_MODEL": None}, 0),
    ],
    ids=["theirs", "theirs first", "ours first", "its own tokens", "its own JWTs", "another view", "none"],
)
def test_a_sign_out_that_ends_nothing_is_reported(settings, routes, given, count):
    settings.REST_AUTH = given
    with WithRoutes(*routes):
        messages = check_sign_out(app_configs=None)
    assert len(messages) == count
    assert all("rest/logout/: it reports success" in message.msg for message in messages)


def test_without_routes_nothing_is_said_of_signing_out(settings):
    settings.ROOT_URLCONF, settings.REST_AUTH = None, {"TOKEN_MODEL": None}
    assert check_sign_out(app_configs=None) == []
