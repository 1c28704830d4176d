"""The sessions of browsers: rotation through cookies, late responses, transport, sign-out, limits."""

import copy
import datetime

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.core.exceptions import ImproperlyConfigured
from rest_framework.test import APIClient

from django_jwtauth import cookies, sessions, tokens
from django_jwtauth.errors import ClaimsHookError, InvalidTokenError
from django_jwtauth.models import RefreshToken
from tests.tools.browser_views import LOGIN, RENEW, me, sid, stored
from tests.tools.cookie_jar import ACCESS, REFRESH, RIGHT, Browser
from tests.tools.http import assert_refused, bearer, rows

WINDOW = datetime.timedelta(seconds=30)
MOMENT = datetime.timedelta(seconds=1)


@pytest.fixture
def browser(user):
    browser = Browser()
    assert browser.sign_in().status_code == 200
    return browser


@pytest.fixture
def wait(age):
    """Make it look as if the present refresh token had been handed out some time ago."""

    def wait(by, *browsers):
        session = stored(browsers[0])
        age(session, by)
        raw = tokens.mint_refresh(session).raw.reveal()
        for browser in browsers:
            if tokens.read_refresh(browser.value(REFRESH)).generation == session.generation:
                browser.cookie(REFRESH).set(REFRESH, raw, raw)

    return wait


def tab_of(browser):
    """Return another tab. It sends requests with the present cookies, and its responses can be delayed."""
    tab = copy.copy(browser)
    tab.jar = {key: morsel.copy() for key, morsel in browser.jar.items()}
    return tab


def deliver(response, browser):
    for morsel in response.cookies.values():
        browser.keep(morsel)


# Rotation


@pytest.mark.parametrize(
    ("ages", "generations"),
    [
        pytest.param([WINDOW], [0], id="one-window"),
        pytest.param([2 * WINDOW - MOMENT], [0], id="almost-two"),
        pytest.param([2 * WINDOW], [1], id="two"),
        pytest.param([2 * WINDOW, WINDOW, WINDOW], [1, 1, 2], id="again"),
    ],
)
def test_rotation_waits_for_two_windows(browser, wait, ages, generations):
    for by, generation in zip(ages, generations, strict=True):
        wait(by, browser)
        before, has_rotated = browser.value(REFRESH), generation > stored(browser).generation
        response = browser.refresh()
        assert response.status_code == 200
        assert stored(browser).generation == generation
        # A cookie that the browser already has is not set again.
        assert set(response.cookies) == ({ACCESS, REFRESH} if has_rotated else {ACCESS})
        assert (browser.value(REFRESH) != before) == has_rotated


def test_a_body_session_waits_for_one(user, age):
    pair = sessions.start(user)
    age(pair.session, WINDOW)
    assert sessions.refresh(pair.refresh).session.generation == 1


def test_a_lost_answer_and_a_second_tab_get_the_present_token(browser, wait):
    wait(2 * WINDOW, browser)
    tabs = [tab_of(browser) for _ in range(3)]
    answers = [tab.refresh() for tab in tabs]
    assert [set(answer.cookies) for answer in answers] == [{ACCESS, REFRESH}] * 3
    assert len({tab.value(REFRESH) for tab in tabs}) == 1
    assert tabs[0].value(REFRESH) != browser.value(REFRESH)
    assert (stored(browser).generation, stored(browser).replays) == (1, 2)
    wait(WINDOW - MOMENT, *tabs)
    assert browser.refresh().status_code == 200  # its response is lost
    assert browser.value(REFRESH) == tabs[0].value(REFRESH)


def test_a_replay_that_is_answered_late_replaces_no_later_token(browser, wait):
    wait(2 * WINDOW, browser)
    slow = tab_of(browser)
    assert browser.refresh().status_code == 200
    wait(WINDOW - MOMENT, browser)
    late = slow.refresh()
    assert REFRESH in late.cookies
    wait(WINDOW, browser)  # how long the response takes
    assert browser.refresh().status_code == 200
    deliver(late, browser)
    assert stored(browser).generation == 1
    wait(2 * WINDOW, browser)
    assert browser.refresh().status_code == 200
    assert stored(browser).generation == 2


def test_a_repeat_that_is_answered_late_replaces_no_later_token(browser, wait):
    """Its request is sent just before a rotation is due, and its response arrives after that of the rotation."""
    wait(2 * WINDOW - MOMENT, browser)
    late = tab_of(browser).refresh()
    wait(MOMENT, browser)
    assert browser.refresh().status_code == 200
    assert stored(browser).generation == 1
    deliver(late, browser)
    wait(2 * WINDOW, browser)
    assert browser.refresh().status_code == 200
    assert stored(browser).revoked_at is None


@pytest.mark.parametrize("seen", [False, True], ids=["its response was lost", "its cookies have been used"])
def test_a_browser_that_comes_back_late_goes_on_unless_its_new_cookies_were_seen(browser, wait, settings, seen):
    settings.JWTAUTH = {"REFRESH_RETRY_PERIOD": datetime.timedelta(hours=12)}
    wait(3 * WINDOW, browser)
    other = tab_of(browser)
    lost = other.refresh()
    if seen:
        assert me(other).status_code == 200
    wait(4 * WINDOW, other)
    late = browser.refresh()
    if seen:
        assert_refused(late, "token_not_valid", "reused")
        return
    assert late.status_code == 200
    session = stored(browser)
    assert (session.generation, session.replays) == (1, 1)
    assert tokens.read_refresh(browser.value(REFRESH)).generation == 1
    assert me(browser).status_code == 200
    # For two windows nothing rotates, so the lost response replaces no later token if it does arrive.
    assert browser.refresh().status_code == 200
    assert stored(browser).generation == 1
    deliver(lost, browser)
    assert browser.refresh().status_code == 200


def test_a_token_that_was_minted_otherwise_is_replaced(browser, settings):
    """After a change of SECRET_KEY, the cookie should be valid without the fallback as soon as possible."""
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "another-secret-key-of-good-length-0123456789012"
    assert set(browser.refresh().cookies) == {ACCESS, REFRESH}
    settings.SECRET_KEY_FALLBACKS = []
    assert tokens.read_refresh(browser.value(REFRESH)).generation == 0


@pytest.mark.parametrize("when", ["one-before", "two-before"])
def test_reuse_ends_the_session_and_leaves_the_cookies(browser, age, when):
    stolen = tab_of(browser)
    for _ in range(1 if when == "one-before" else 2):
        age(stored(browser), 2 * WINDOW)
        assert browser.refresh().status_code == 200
    age(stored(browser), WINDOW)
    refused = stolen.refresh()
    assert_refused(refused, "token_not_valid", "reused")
    assert not refused.cookies
    assert stored(browser).revoked_reason == "reused"
    refused = browser.refresh()
    assert_refused(refused, "token_not_valid", "revoked")
    assert not refused.cookies
    assert me(browser).status_code == 401


def revoked(browser, user):
    sessions.revoke(sid(browser))


def inactive(browser, user):
    get_user_model().objects.update(is_active=False)


def password_changed(browser, user):
    get_user_model().objects.update(password="!")


def session_expired(browser, user):
    RefreshToken.objects.update(expires_at=stored(browser).created_at)


def ahead(browser, user):
    session = stored(browser)
    session.generation += 1
    browser.cookie(REFRESH).set(REFRESH, *[tokens.mint_refresh(session).raw.reveal()] * 2)


def garbage(browser, user):
    browser.cookie(REFRESH).set(REFRESH, "x", "x")


def empty(browser, user):
    browser.cookie(REFRESH).set(REFRESH, "", "")


def access_in_its_place(browser, user):
    browser.cookie(REFRESH).set(REFRESH, *[browser.value(ACCESS)] * 2)


def quoted(browser, user):
    raw = browser.value(REFRESH)
    browser.cookie(REFRESH).set(REFRESH, raw, f'"{raw}"')


REFUSALS = {
    revoked: "revoked",
    inactive: "user_inactive",
    password_changed: "password_changed",
    session_expired: "session_expired",
    ahead: "ahead",
    garbage: "invalid",
    empty: "not_authenticated",
    access_in_its_place: "wrong_type",
    quoted: "invalid",
}


@pytest.mark.parametrize("end", REFUSALS)
def test_a_refusal_sets_and_clears_no_cookie(browser, user, age, end):
    age(stored(browser), 2 * WINDOW)
    end(browser, user)
    before, jar = rows(), dict(browser.jar)
    response = browser.refresh()
    assert response.status_code == 401
    assert response.json()["reason"] == REFUSALS[end]
    assert response["WWW-Authenticate"] == 'Bearer realm="api"'
    assert response["Cache-Control"] == "no-store"
    assert not response.cookies
    assert rows() == before
    assert browser.jar == jar


# Transport


def test_a_browsers_refresh_token_is_worth_nothing_in_a_body(browser, age):
    get_user_model().objects.get().user_permissions.add(Permission.objects.get(codename="introspect_token"))
    age(stored(browser), 2 * WINDOW)
    raw, before = browser.value(REFRESH), rows()
    client = APIClient()
    assert_refused(client.post("/auth/token/refresh/", {"refresh": raw}), "token_not_valid", "invalid")
    assert_refused(client.post("/auth/token/verify/", {"token": raw}), "token_not_valid", "invalid")
    asked = {"token": raw, "token_type_hint": "refresh_token"}
    answer = client.post("/auth/token/introspect/", asked, **bearer(browser.value(ACCESS)))
    assert (answer.status_code, answer.json()) == (200, {"active": False})
    for call in (sessions.refresh, sessions.verify_refresh):
        with pytest.raises(InvalidTokenError, match="invalid"):
            call(raw)
    # An old one does not even count as reuse.
    assert browser.refresh().status_code == 200
    age(stored(browser), WINDOW)
    assert_refused(client.post("/auth/token/refresh/", {"refresh": raw}), "token_not_valid", "invalid")
    assert stored(browser).revoked_at is None
    assert len(rows()[0]) == len(before[0])


def test_a_refresh_token_from_a_body_is_worth_nothing_in_a_cookie(user, age):
    pair = sessions.start(user)
    age(pair.session, WINDOW)
    browser = Browser()
    browser.get_csrf_token()
    cookie = f"{REFRESH}={pair.refresh}; csrftoken={browser.value('csrftoken')}"
    before = rows()
    refused = browser.refresh(headers={"Cookie": cookie})
    assert_refused(refused, "token_not_valid", "invalid")
    assert not refused.cookies
    # Nor in the body, without a cookie or with a different one.
    assert_refused(browser.refresh({"refresh": pair.refresh}), "not_authenticated", "not_authenticated")
    assert rows() == before
    assert sessions.refresh(pair.refresh).session.generation == 1


@pytest.mark.parametrize("path", ["token/blacklist/", "token/revoke/"])
def test_a_browsers_refresh_token_may_be_revoked_at_any_endpoint(browser, path):
    """Anybody who finds a leaked token should be able to revoke it."""
    raw = browser.value(REFRESH)
    assert APIClient().post(f"/auth/{path}", {"refresh": raw, "token": raw}).status_code == 200
    assert stored(browser).revoked_reason == "logout"


# Sign-out


@pytest.mark.parametrize("state", ["access-only", "revoked", "expired", "foreign", "empty", "none", "twice", "two"])
def test_sign_out_clears_the_cookies_whatever_they_hold(browser, user, state):
    held = {ACCESS: browser.value(ACCESS), REFRESH: browser.value(REFRESH)}
    session, other = stored(browser), sessions.start(user)
    sent = {
        "access-only": {ACCESS: held[ACCESS]},
        "foreign": {ACCESS: "x.y.z", REFRESH: f"{held[REFRESH][:-8]}AAAAAAAA"},
        "empty": {ACCESS: "", REFRESH: ""},
        "none": {},
        "two": {ACCESS: other.access, REFRESH: held[REFRESH]},
    }.get(state, held)
    if state == "revoked":
        sessions.revoke(session)
    if state == "expired":
        session.user.delete()
        RefreshToken.objects.filter(pk=session.pk).delete()
    cookies = [f"csrftoken={browser.value('csrftoken')}", *(f"{name}={raw}" for name, raw in sent.items())]
    if state == "twice":
        cookies += [f"{REFRESH}=x"]
    response = browser.log_out(headers={"Cookie": "; ".join(cookies)})
    assert response.status_code == 204
    assert {name: morsel["max-age"] for name, morsel in response.cookies.items()} == {ACCESS: 0, REFRESH: 0}
    assert set(browser.jar) == {("csrftoken", "", "/")}
    if state != "expired":
        session.refresh_from_db()
        other.session.refresh_from_db()
        is_over = state in ("access-only", "revoked", "twice", "two")
        assert (session.revoked_at is not None, other.session.revoked_at is not None) == (is_over, state == "two")


@pytest.mark.parametrize(("minutes", "ends"), [(7, True), (60, False)], ids=["lately", "long ago"])
def test_sign_out_ends_the_session_of_a_token_that_may_be_alive_by_another_clock(browser, user, minutes, ends):
    session = stored(browser)
    then = RefreshToken.objects.now() - datetime.timedelta(minutes=minutes)
    raw = tokens.mint_access(RefreshToken.objects.get(), now=then, request=None).raw.reveal()
    cookies = f"csrftoken={browser.value('csrftoken')}; {ACCESS}={raw}"
    assert browser.log_out(headers={"Cookie": cookies}).status_code == 204
    session.refresh_from_db()
    assert (session.revoked_at is not None) is ends


def test_sign_out_clears_what_can_no_longer_be_read(browser, settings):
    settings.SECRET_KEY = "another-secret-key-of-good-length-0123456789012"
    assert browser.log_out().status_code == 204
    assert set(browser.jar) == {("csrftoken", "", "/")}
    assert RefreshToken.objects.get().revoked_at is None


# Limits


def test_refreshes_are_counted_by_the_session_of_the_cookie(user, settings):
    settings.JWTAUTH = {"THROTTLE_RATES": {"refresh": "2/min"}}
    browser, other = Browser(), Browser()
    browser.sign_in(), other.sign_in()
    assert [browser.refresh().status_code for _ in range(3)] == [200, 200, 429]
    throttled = browser.refresh()
    assert throttled["Retry-After"]
    assert not throttled.cookies
    assert other.refresh().status_code == 200
    # A token in the body is ignored.
    assert browser.refresh({"refresh": other.value(REFRESH)}).status_code == 429
    for cookie in ("x", f"{other.value(REFRESH)}; {REFRESH}=x"):
        header = {"Cookie": f"csrftoken={browser.value('csrftoken')}; {REFRESH}={cookie}"}
        assert [browser.refresh(headers=header).status_code for _ in range(4)] == [401] * 4
    assert other.refresh().status_code == 200


def test_failed_sign_ins_are_counted_and_good_ones_are_not(user, settings):
    settings.JWTAUTH = {"THROTTLE_RATES": {"login": "2/min"}}
    browser = Browser()
    assert [browser.sign_in().status_code for _ in range(4)] == [200] * 4
    answers = [browser.sign_in(password="wrong").status_code for _ in range(3)]
    assert answers == [401, 401, 429]


def big(user, *, request, session):
    return {"big": "x" * 2900}


@pytest.mark.parametrize("at", ["sign-in", "refresh"])
def test_a_token_too_long_for_a_cookie_is_an_error_before_anything_is_written(user, settings, age, at):
    # MAX_TOKEN_LENGTH may allow longer tokens for clients that store them outside of cookies.
    browser = Browser()
    browser.get_csrf_token() if at == "sign-in" else browser.sign_in()
    if at == "refresh":
        age(stored(browser), 2 * WINDOW)
    settings.JWTAUTH = {"MAX_TOKEN_LENGTH": 8192, "CLAIMS_HOOKS": ["tests.browser_cookies.test_browser_sessions.big"]}
    before, jar = rows(), dict(browser.jar)
    url, body = (LOGIN, RIGHT) if at == "sign-in" else (RENEW, {})
    with pytest.raises(ClaimsHookError, match="a cookie allows"):
        browser.send("POST", url, body)
    assert rows() == before
    assert browser.jar == jar
    assert len(sessions.start(user).access) > cookies.MAX_SIZE - len(ACCESS)


def test_a_name_is_part_of_what_a_cookie_may_hold(user, settings):
    settings.JWTAUTH = {"COOKIES": {"access_name": "__Host-" + "a" * 3800}}
    with pytest.raises(ImproperlyConfigured, match="or a cookie allows"):
        sessions.start(user, transport="browser")
    assert sessions.start(user).access
