"""The throttles: what is counted, under which identity, and what happens when the cache fails."""

import re
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import UserManager
from django.core.cache import cache
from django.core.cache.backends.locmem import LocMemCache
from django.test import override_settings
from rest_framework.exceptions import AuthenticationFailed

from django_jwtauth import sessions
from django_jwtauth.throttling import LoginThrottle, RefreshThrottle
from tests.tools.audit import told
from tests.tools.clocks import stop_clock
from tests.tools.http import REFRESH, TOKEN
from tests.tools.throttles import PUBLIC, attempt, rates, request

# Sign-in


def test_only_failures_are_counted(client, user):
    with rates(login="2/min", login_address="2/min", login_username="2/min"):
        for _ in range(5):
            assert attempt(client, password="correct horse") == 200
        assert [attempt(client) for _ in range(3)] == [401, 401, 429]


def test_a_request_that_is_not_an_attempt_is_not_counted(client, user):
    with rates(login="1/min", login_address="1/min"):
        for _ in range(3):
            assert client.post(TOKEN, {"username": "ada"}, REMOTE_ADDR=PUBLIC).status_code == 400
        assert attempt(client, password="correct horse") == 200


def test_a_success_is_taken_back_but_does_not_wipe_failures_out(client, user):
    with rates(login="3/min"):
        answers = [
            attempt(client, password=password) for password in ("wrong", "wrong", "correct horse", "wrong", "wrong")
        ]
    assert answers == [401, 401, 200, 401, 429]


def test_the_right_password_does_not_pass_a_limit(client, user):
    with rates(login="1/min"):
        assert [attempt(client), attempt(client, password="correct horse")] == [401, 429]


def test_refused_attempts_do_not_extend_the_lock(client, user, monkeypatch):
    with rates(login="2/min", login_username="4/min"):
        assert [attempt(client) for _ in range(10)] == [401, 401] + [429] * 8
        # Only the two attempts that reached authentication are counted under the user name.
        assert [attempt(client, address="198.51.100.1") for _ in range(3)] == [401, 401, 429]


def test_429_says_how_long_until_the_window_ends(client, user, monkeypatch):
    stop_clock(monkeypatch, 1_900_000_800.0 + 47.5)
    with rates(login="1/min", login_username="1/hour"):
        attempt(client)
        response = client.post(TOKEN, {"username": "ada", "password": "wrong"}, REMOTE_ADDR=PUBLIC)
    assert response.status_code == 429
    # The longer of the two times.
    assert int(response["Retry-After"]) == 3600 - (1_900_000_847 % 3600)
    with rates(login="1/min"):
        response = client.post(TOKEN, {"username": "ada", "password": "wrong"}, REMOTE_ADDR=PUBLIC)
    assert int(response["Retry-After"]) == 13


def test_a_new_window_begins_at_zero(client, user, monkeypatch):
    with rates(login="1/min"):
        assert [attempt(client), attempt(client)] == [401, 429]
        stop_clock(monkeypatch, 1_900_000_060.0)
        assert attempt(client) == 401


@pytest.mark.parametrize(
    ("rate", "second", "answer"),
    [
        pytest.param("login", {"address": "198.51.100.1"}, 401, id="name-and-address-differs-by-address"),
        pytest.param("login", {"username": "bob"}, 401, id="name-and-address-differs-by-name"),
        pytest.param("login", {}, 429, id="name-and-address-same"),
        pytest.param("login_username", {"address": "198.51.100.1"}, 429, id="name-from-anywhere"),
        pytest.param("login_username", {"username": "bob"}, 401, id="another-name"),
        pytest.param("login_address", {"username": "bob"}, 429, id="address-any-name"),
        pytest.param("login_address", {"address": "198.51.100.1"}, 401, id="another-address"),
    ],
)
def test_each_rate_counts_its_own(client, user, rate, second, answer):
    with rates(**{rate: "1/min"}):
        assert attempt(client) == 401
        assert attempt(client, **second) == answer


@pytest.mark.parametrize(
    "spelling",
    ["ADA", "ada ", " ada", "\uff41\uff44\uff41", "\u00e0d\u00e1", "ad\u200ba", "a\u0301da"],
    ids=["case", "end-space", "start-space", "full-width", "accents", "invisible", "combining"],
)
def test_spellings_that_a_database_takes_for_one_name_are_one(client, user, spelling):
    with rates(login="1/min"):
        assert [attempt(client), attempt(client, spelling)] == [401, 429]


def test_what_only_this_database_takes_for_the_name_counts_as_one(client, db):
    users = get_user_model().objects
    users.create_user("ada\U0001f600", password="correct horse")
    sent = [f"ada{chr(code)}" for code in range(0x1F600, 0x1F605)]
    # Some collations of MySQL and MariaDB take all characters beyond U+FFFF for one.
    same = [name for name in sent if users.filter(username=name).exists()]
    with rates(login="1/min"):
        assert attempt(client, sent[0]) == 401
        assert {name: attempt(client, name) for name in sent} == {name: 429 if name in same else 401 for name in sent}


@pytest.fixture
def many_spellings(user, monkeypatch):
    """A project's manager finds "ada" under each name of three letters with "d" in the middle."""

    def find(manager, name):
        return manager.get(username="ada" if len(name) == 3 and name[1] == "d" else name)

    monkeypatch.setattr(UserManager, "get_by_natural_key", find)
    return [f"{chr(code)}da" for code in range(0x3B1, 0x3B9)]


@pytest.mark.parametrize("rate", ["login", "login_username"])
def test_guesses_count_under_the_stored_name(client, many_spellings, rate):
    with rates(**{rate: "3/min"}):
        assert [attempt(client, name) for name in many_spellings] == 3 * [401] + 5 * [429]
        assert attempt(client) == 429
        # Past the limit, the right password gets the same response as a wrong one.
        assert attempt(client, many_spellings[0], "correct horse") == 429


def test_a_sign_in_by_another_spelling_is_taken_back(client, many_spellings):
    with rates(login="1/min"):
        assert [attempt(client, many_spellings[0], "correct horse") for _ in range(3)] == 3 * [200]
        assert attempt(client) == 401


def test_a_guess_that_the_stored_name_refuses_counts_for_its_address(client, many_spellings):
    """Its password has been looked at."""
    with rates(login_username="1/min", login_address="3/min"):
        assert [attempt(client, name) for name in many_spellings[:3]] == [401, 429, 429]
        assert attempt(client, "grace") == 429


class RaisingBackend(ModelBackend):
    def authenticate(self, request, **credentials):
        user = super().authenticate(request, **credentials)
        if user is None:
            raise AuthenticationFailed
        return user


@override_settings(AUTHENTICATION_BACKENDS=[f"{__name__}.RaisingBackend"])
def test_guesses_count_under_the_stored_name_if_the_backend_raises(client, many_spellings):
    with rates(login="2/min"):
        assert [attempt(client, name) for name in many_spellings[:4]] == [401, 401, 429, 429]


@pytest.mark.parametrize("rate", ["login", "login_username"])
def test_a_name_sent_as_a_number_is_the_same_name(client, db, rate):
    get_user_model().objects.create_user("4930123456", password="correct horse")
    with rates(**{rate: "1/min"}):
        assert attempt(client, 4930123456) == 401
        assert attempt(client, "4930123456") == 429


@pytest.mark.parametrize("name", ["\\ud800", "x" * 10_000, "\\n"])
def test_any_name_can_be_counted(client, user, name):
    with rates(login="1/min"):
        body = f'{{"username": "{name}", "password": "x"}}'
        assert client.post(TOKEN, body, content_type="application/json").status_code in (400, 401)


@pytest.mark.parametrize(
    ("first", "second", "answer"),
    [
        ("2001:db8:1:1::1", "2001:db8:1:1:ffff::2", 429),
        ("2001:db8:1:1::1", "2001:db8:1:2::1", 401),
        ("203.0.113.7", "203.0.113.8", 401),
        ("203.0.113.7", "::ffff:203.0.113.7", 429),
    ],
    ids=["same-64", "other-64", "v4-neighbour", "v4-mapped"],
)
def test_an_ipv6_network_of_64_bits_is_one_client(client, user, first, second, answer):
    for rate in ("login", "login_address"):
        cache.clear()
        with rates(**{rate: "1/min"}):
            assert [attempt(client, address=first), attempt(client, address=second)] == [401, answer]


@pytest.mark.parametrize(
    "peer", ["127.0.0.1", "10.1.2.3", "172.20.0.1", "192.168.0.9", "::1", "fd00::1", "100.64.0.1", ""]
)
def test_behind_a_proxy_that_is_not_configured_no_address_is_throttled(client, user, peer):
    with rates(login_address="1/min"):
        assert [attempt(client, f"user{n}", address=peer) for n in range(3)] == [401] * 3


def test_behind_a_configured_proxy_the_clients_address_counts(client, user):
    def through(first, second):
        hops = {"HTTP_X_FORWARDED_FOR": f"1.1.1.1, {first}, {second}"}
        return attempt(client, address="10.0.0.1", **hops)

    given = {"login": None, "login_username": None, "refresh": None, "login_address": "1/min"}
    with override_settings(JWTAUTH={"NUM_PROXIES": 2, "THROTTLE_RATES": given}):
        assert through(PUBLIC, "192.0.2.1") == 401
        assert through(PUBLIC, "192.0.2.2") == 429
        assert through("198.51.100.1", "192.0.2.1") == 401


def test_the_port_of_a_client_and_the_spelling_of_its_address_do_not_matter(client, user):
    given = {"login": None, "login_username": None, "refresh": None, "login_address": "1/min"}
    with override_settings(JWTAUTH={"NUM_PROXIES": 1, "THROTTLE_RATES": given}):
        for first, *others in (
            ["203.0.113.7:51234", "203.0.113.7:51235", "203.0.113.7", "[::ffff:203.0.113.7]:1"],
            ["[2001:db8::7]:443", "2001:DB8::7", "[2001:db8:0::8]:444"],
        ):
            assert attempt(client, HTTP_X_FORWARDED_FOR=f"6.6.6.6, {first}") == 401
            for other in others:
                assert attempt(client, HTTP_X_FORWARDED_FOR=other) == 429


def test_without_a_configured_proxy_the_header_is_not_believed(client, user):
    with rates(login_address="1/min"):
        answers = [attempt(client, HTTP_X_FORWARDED_FOR=f"198.51.100.{n}") for n in range(2)]
    assert answers == [401, 429]


@pytest.mark.parametrize("rate", ["login", "login_address", "login_username"])
def test_none_switches_a_rate_off(client, user, rate):
    on = {"login": "2/min", "login_address": "2/min", "login_username": "2/min"}
    with rates(**{rate: "2/min"}):
        assert [attempt(client) for _ in range(3)][-1] == 429
    cache.clear()
    with rates(**dict.fromkeys(on)):
        assert [attempt(client) for _ in range(5)] == [401] * 5


def test_by_default_ten_failures_a_minute_are_allowed(client, user):
    assert [attempt(client) for _ in range(11)] == [401] * 10 + [429]


@pytest.mark.parametrize(("limit", "attempts"), [(10, 160)])
def test_of_160_parallel_attempts_exactly_10_pass_a_limit_of_10(limit, attempts):
    barrier = threading.Barrier(32)

    def one(number):
        throttle = LoginThrottle()
        if number < 32:
            barrier.wait(timeout=60)
        return throttle.allow_request(request({"username": "ada", "password": "wrong"}), None)

    with rates(login=f"{limit}/min"), ThreadPoolExecutor(32) as pool:
        assert sum(pool.map(one, range(attempts))) == limit


class WatchedCache(LocMemCache):
    """Remembers the keys it was asked for."""

    keys = []

    def add(self, key, *args, **kwargs):
        self.keys.append(key)
        return super().add(key, *args, **kwargs)


def test_nothing_in_the_cache_identifies_the_client(client, user):
    WatchedCache.keys.clear()
    with override_settings(CACHES={"default": {"BACKEND": "tests.http.test_throttling.WatchedCache"}}):
        attempt(client)
    assert len(WatchedCache.keys) == 3
    for key in WatchedCache.keys:
        assert re.fullmatch(r"jwtauth:[A-Za-z0-9_-]{22}", key)


@pytest.mark.parametrize(("method", "counts"), [("post", True), ("options", False), ("put", False)])
def test_only_a_post_is_a_sign_in(method, counts):
    with rates(login="1/min"):
        allowed = [LoginThrottle().allow_request(request({"username": "ada"}, method), None) for _ in range(2)]
    assert allowed == [True, not counts]


@pytest.mark.parametrize("data", [[], "ada", None, {"username": ["ada"]}, {"username": None}, {}])
def test_a_body_without_a_name_is_counted_by_its_address_only(data):
    with rates(login="3/min", login_username="1/min", login_address="2/min"):
        allowed = [LoginThrottle().allow_request(request(data), None) for _ in range(3)]
    assert allowed == [True, True, False]
    with rates(login="1/min", login_username="1/min", login_address="3/min"):
        allowed = [LoginThrottle().allow_request(request(data), None) for _ in range(2)]
    assert allowed == [False, False]  # two of the three attempts before stay counted


# Refresh


def test_refreshes_are_counted_per_session_whatever_the_address(client, user, pair):
    other = sessions.start(user)
    with rates(refresh="2/min"):
        answers = [
            client.post(REFRESH, {"refresh": pair.refresh}, REMOTE_ADDR=f"203.0.113.{n}").status_code for n in range(3)
        ]
        assert answers == [200, 200, 429]
        assert client.post(REFRESH, {"refresh": other.refresh}).status_code == 200


@pytest.mark.parametrize("token", ["x.y.z", "", None, 5, ["x"]])
def test_tokens_that_are_not_ours_are_not_counted(token):
    with rates(refresh="1/min"):
        assert all(RefreshThrottle().allow_request(request({"refresh": token}), None) for _ in range(3))


def test_a_refresh_body_that_is_not_an_object_is_not_counted():
    with rates(refresh="1/min"):
        assert all(RefreshThrottle().allow_request(request([]), None) for _ in range(3))


def test_a_forged_token_does_not_use_up_the_limit_of_a_session(client, pair):
    header, payload, signature = pair.refresh.split(".")
    forged = f"{header}.{payload}.{'A' * len(signature)}"
    with rates(refresh="1/min"):
        for _ in range(3):
            assert client.post(REFRESH, {"refresh": forged}).status_code == 401
        assert client.post(REFRESH, {"refresh": pair.refresh}).status_code == 200


# The cache


class BrokenCache(LocMemCache):
    """A cache that is down."""

    def add(self, *args, **kwargs):
        raise ConnectionError("the cache is down")

    incr = decr = add


class BreakingCache(LocMemCache):
    """A cache that goes down after the attempt was counted."""

    def decr(self, *args, **kwargs):
        raise ConnectionError("the cache is down")


class ForgetfulCache(LocMemCache):
    """A cache that evicts between any two calls: what was there when a count was to be added has gone thereafter."""

    def add(self, *args, **kwargs):
        return False


def with_cache(name, location=""):
    backend = name if "." in name else f"tests.http.test_throttling.{name}"
    # A location of its own: caches of the same process and location share their memory.
    return override_settings(CACHES={"default": {"BACKEND": backend, "LOCATION": location or str(uuid.uuid4())}})


@pytest.mark.parametrize(
    "caches",
    [
        pytest.param(("BrokenCache",), id="raises"),
        pytest.param(("django.core.cache.backends.redis.RedisCache", "redis://127.0.0.1:1"), id="unreachable-redis"),
    ],
)
def test_with_the_cache_down_everything_passes_with_a_warning(client, user, caplog, caches):
    with rates(login="1/min"), with_cache(*caches):
        assert [attempt(client) for _ in range(3)] == [401] * 3
        assert attempt(client, password="correct horse") == 200
    warnings = [record for record in caplog.records if "event=cache_unavailable" in record.message]
    assert [record.levelname for record in warnings if record.exc_info] == ["WARNING"]
    assert told(caplog)[0] == {"event": "cache_unavailable", "detail": "throttles let everything pass"}


def test_a_cache_that_is_down_is_logged_once_a_minute_and_not_once_per_request(client, user, caplog, monkeypatch):
    with rates(login="1/min"), with_cache("BrokenCache"):
        for seconds in (0, 30, 59, 60, 100):
            stop_clock(monkeypatch, 1_900_000_000.0 + seconds)
            attempt(client)
    assert caplog.text.count("Traceback") == caplog.text.count("cache is not available") == 2


def test_a_cache_that_goes_down_meanwhile_fails_no_sign_in(client, user, caplog):
    with rates(login="1/min"), with_cache("BreakingCache"):
        assert attempt(client, password="correct horse") == 200
    assert "stays counted" in caplog.text


def test_a_cache_that_evicts_at_once_lets_pass(client, user):
    with rates(login="1/min"), with_cache("ForgetfulCache"):
        assert [attempt(client) for _ in range(3)] == [401] * 3


def test_a_window_that_ends_before_the_attempt_is_taken_back_does_no_harm(caplog):
    with rates(login="1/min"):
        throttle = LoginThrottle()
        assert throttle.allow_request(request({"username": "ada"}), None)
        cache.clear()
        throttle.release()
    assert not caplog.records


# Names and logs


def test_throttling_is_logged_without_names(client, user, caplog):
    with rates(login="1/min"):
        attempt(client)
        attempt(client)
    assert [about["event"] for about in told(caplog)] == ["sign_in_refused", "throttled"]
    assert "ada" not in caplog.text


def test_a_name_of_combining_characters_costs_no_more_than_another(client, user):
    """Normalizing them takes quadratic time: all that a body may hold would keep a process busy for seconds."""
    name = "\u0301\u0327" * 60_000
    began = time.process_time()
    response = client.post(TOKEN, {"username": name, "password": "x"}, format="json", REMOTE_ADDR=PUBLIC)
    assert response.status_code == 400
    assert time.process_time() - began < 1


@pytest.mark.parametrize("odd", ["ad\u0488a", "ada\u0903", "ADA", "\u200bada", "a\u0301da", "ada "])
def test_spellings_that_a_collation_takes_for_the_same_count_as_one(odd):
    with rates(login=None, login_username="1/min", login_address=None):
        assert LoginThrottle().allow_request(request({"username": "ada"}), None)
        assert not LoginThrottle().allow_request(request({"username": odd}), None)


def test_digits_of_one_value_count_as_one():
    with rates(login=None, login_username="1/min", login_address=None):
        assert LoginThrottle().allow_request(request({"username": "ada1"}), None)
        assert not LoginThrottle().allow_request(request({"username": "ada\u0967"}), None)


def test_private_clients_are_counted_where_the_proxies_are_known(client, user):
    body = {"username": "nobody", "password": "x"}
    given = {"login": None, "login_username": None, "login_address": "2/min"}
    with override_settings(JWTAUTH={"THROTTLE_RATES": given, "NUM_PROXIES": 1}):
        codes = [client.post(TOKEN, body, headers={"X-Forwarded-For": "10.1.2.3"}).status_code for _ in range(3)]
    assert codes == [401, 401, 429]
