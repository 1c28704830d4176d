"""A browser's cookies: of refreshes at the same moment all get what one of them made."""

from functools import partial

import pytest
from rest_framework.test import APIClient

from django_jwtauth import sessions
from django_jwtauth.models import RefreshToken
from tests.tools.cookie_jar import ACCESS, REFRESH, Browser
from tests.tools.threads import CROWD

from .crowd import age_all, some, users

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _no_limits(settings):
    """Signing in often is no part of this."""
    rates = dict.fromkeys(["login", "login_address", "login_username", "refresh"])
    settings.JWTAUTH = {**settings.JWTAUTH, "THROTTLE_RATES": rates}


def tabs(browser, count):
    """Return tabs of a browser, with the cookies of now."""
    opened = [Browser() for _ in range(count)]
    for tab in opened:
        tab.jar, tab.csrf_token = dict(browser.jar), browser.csrf_token
    return opened


def signed_in(owner):
    browser = Browser()
    assert browser.sign_in(username=owner.username).status_code == 200
    return browser


def session_of(browser):
    return RefreshToken.objects.get(pk=sessions.find_by_any_token(browser.value(REFRESH)).pk)


@pytest.mark.parametrize(("threads", "rounds"), [(2, some(60)), (CROWD, some(25))])
def test_all_tabs_get_the_same_cookie_and_go_on_with_it(together, threads, rounds):
    for owner in users(rounds):
        browser = signed_in(owner)
        age_all()
        awake = tabs(browser, threads)
        answers = together(*[tab.refresh for tab in awake])
        assert [answer.status_code for answer in answers] == [200] * threads
        [successor] = {tab.value(REFRESH) for tab in awake}
        assert successor != browser.value(REFRESH)
        assert len({tab.value(ACCESS) for tab in awake}) == threads
        session = session_of(browser)
        assert (session.generation, session.revoked_at, session.replays) == (1, None, threads - 1)


def test_answers_in_any_order_leave_a_token_that_is_good(together):
    """Ten times all tabs wake at once, and the browser keeps what comes last."""
    [owner] = users(1)
    browser = signed_in(owner)
    for generation in range(1, 11):
        age_all()
        answers = together(*[tab.refresh for tab in tabs(browser, CROWD)])
        for answer in answers[:: 1 if generation % 2 else -1]:
            assert answer.status_code == 200
            for morsel in answer.cookies.values():
                browser.keep(morsel)
        assert session_of(browser).generation == generation
    assert session_of(browser).revoked_at is None


@pytest.mark.parametrize(("threads", "rounds"), [(2, some(60)), (CROWD, some(25))])
def test_signing_out_beside_refreshes_leaves_nothing_alive(together, threads, rounds):
    for owner in users(rounds):
        browser = signed_in(owner)
        age_all()
        *awake, leaving = tabs(browser, threads)
        *answers, goodbye = together(*[tab.refresh for tab in awake], leaving.log_out)
        assert goodbye.status_code == 204
        assert not [name for name, _, _ in leaving.jar if name in (ACCESS, REFRESH)]
        for tab, answer in zip(awake, answers, strict=True):
            assert answer.status_code == 200 or answer.json()["reason"] == "revoked"
            assert tab.refresh().json()["reason"] == "revoked"
            header = {"Authorization": f"Bearer {tab.value(ACCESS)}"}
            assert APIClient().get("/whoami/", headers=header).status_code == 401


@pytest.mark.parametrize("threads", [2, CROWD])
def test_of_sign_ins_at_once_each_ends_the_session_that_was_there(together, threads):
    for owner in users(some(20)):
        browser = signed_in(owner)
        former = session_of(browser)
        opened = tabs(browser, threads)
        answers = together(*[partial(tab.sign_in, username=owner.username) for tab in opened])
        assert [answer.status_code for answer in answers] == [200] * threads
        former.refresh_from_db()
        assert former.revoked_reason == "logout"
        assert RefreshToken.objects.filter(user=owner, revoked_at=None).count() == threads
        for tab in opened:
            assert tab.send("GET", "/auth/sessions/").status_code == 200
