"""What has changed in the revocation list lately, as other services read it."""

import contextlib
import datetime
import threading

import pytest
from django.db import transaction
from django.test import override_settings
from django.urls import path

from django_jwtauth import conf, published_list, revocation_cache, sessions, well_known
from django_jwtauth._core.revocation_list import SignedChanges, SignedList
from django_jwtauth.database import storable
from django_jwtauth.models import BlacklistedToken, RefreshToken
from tests.tools.revocation_cache import revoked_row
from tests.tools.well_known import CHANGES, ISSUER, JWKS, LIST, entry, jwtauth, verified

pytestmark = pytest.mark.django_db
SECOND = datetime.timedelta(seconds=1)


class Service:
    """Somebody who holds the list."""

    def __init__(self, http):
        self.http = http
        self.held = SignedList.read(self.body(LIST), **self.trust())

    def body(self, url):
        response = self.http.get(url)
        assert response.status_code == 200
        return response.content

    @staticmethod
    def trust():
        keys = conf.get_config().signing_keys
        return {"issuer": ISSUER, "keys": keys, "leeway": 10**9, "now": 1_900_000_000.0}

    def changes(self):
        return SignedChanges.read(self.body(CHANGES), **self.trust())

    def follow(self):
        """Return the ids that are held after a poll; ``None`` if the changes do not lead to the present list."""
        followed = self.held.follow(self.changes(), etag="")
        self.held = followed or self.held
        return None if followed is None else set(followed.revoked.sids)


@pytest.fixture
def restart():
    """Let another process of the issuer answer, which has just been started."""

    def restart():
        published_list.forget()
        revocation_cache.forget()

    return restart


def now(clock):
    return storable(datetime.datetime.fromtimestamp(clock.wall, datetime.UTC))


def test_the_changes_are_signed_as_the_list_is(http, user, clock):
    sid = revoked_row(user, now(clock))
    header, claims = verified(http.get(CHANGES), http.get(JWKS).json())
    (part,) = claims.pop("parts")
    assert header["typ"] == "revocation-changes+jwt"
    assert claims == {
        **{"iss": ISSUER, "iat": int(clock.wall), "exp": int(clock.wall) + 60, "ttl": 2, "max_lifetime": 300},
        **{"not_before": 0, "sids": [sid], "jtis": []},
    }
    assert part[1:] == [1, 0]
    assert verified(http.get(LIST), http.get(JWKS).json())[1]["parts"] == [part]


def test_what_is_revoked_now_and_then_is_sent_once_and_not_again(http, user, clock):
    for seconds in range(30, 560, 10):
        revoked_row(user, now(clock) - seconds * SECOND)
    service = Service(http)
    assert len(service.held.revoked.sids) == 53
    for _ in range(20):
        clock.go(2)
        sid = revoked_row(user, now(clock))
        assert sid in service.follow()
        # What was revoked in the last 15 seconds, and in the rest of the oldest of these parts.
        assert len([*service.changes().included]) <= 5
    known = {str(pk) for pk in RefreshToken.objects.values_list("pk", flat=True)}
    assert set(service.held.revoked.sids) <= known
    assert set(service.held.revoked.sids) == set(Service(http).held.revoked.sids)


def test_a_service_that_misses_some_polls_follows_and_one_that_misses_more_does_not(http, user, clock):
    service, other = Service(http), Service(http)
    sids = set()
    for passed in range(0, 40, 2):
        clock.go(2)
        sids.add(revoked_row(user, now(clock)))
        other.follow()
        if passed == 12:
            assert service.follow() == sids
    assert service.follow() is None
    assert other.follow() == sids
    assert set(Service(http).held.revoked.sids) == sids


def test_who_polls_seldom_is_considered(http, user, settings, clock):
    """The interval of the issuer says how often its services poll."""
    settings.JWTAUTH = jwtauth("ES256", REVOCATION_POLL_INTERVAL=datetime.timedelta(seconds=10))
    service = Service(http)
    for _ in range(5):
        sid = revoked_row(user, now(clock))
        clock.go(50)
        http.get(CHANGES)  # another service
        assert sid in service.follow()


@pytest.mark.parametrize("late", [20, 50, 200])
def test_a_revocation_that_was_committed_late_is_sent_too(http, user, clock, late):
    """Services have the other entries of its part, which they were sent long ago."""
    revoked_row(user, now(clock))
    service = Service(http)
    clock.go(late)
    http.get(LIST)
    sid = revoked_row(user, now(clock) - late * SECOND)
    for _ in range(60):  # everything is read once a minute
        clock.go(2)
        assert (held := service.follow()) is not None
    assert sid in held
    assert held == set(Service(http).held.revoked.sids)


def test_a_session_that_is_kept_is_taken_from_the_list(http, user, clock):
    pair = sessions.start(user)
    service = Service(http)
    user.set_password("new")
    with transaction.atomic():
        user.save()
        clock.go(1.001)
        assert service.follow() == {str(pair.session.pk)}  # read by the connection that will keep it
        sessions.keep(pair.session, user)
    clock.go(1.001)
    assert service.follow() == set()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("kind", ["session", "token"])
def test_a_revocation_that_is_rolled_back_is_taken_from_the_list(http, user, clock, kind):
    """A request that revokes something, reads the list in the same transaction, and fails."""
    pair = sessions.start(user)
    earlier = revoked_row(user, now(clock))
    service = Service(http)
    clock.go(1.001)
    with contextlib.suppress(ZeroDivisionError), transaction.atomic():
        sessions.revoke(pair.session) if kind == "session" else sessions.blacklist(pair.access)
        for _ in range(2):
            clock.go(2.001)
            service.follow()
            assert len([*service.held.revoked.sids, *service.held.revoked.jtis]) == 2
        raise ZeroDivisionError
    clock.go(2.001)
    assert service.follow() == {earlier}
    assert not service.held.revoked.jtis
    assert service.held.revoked == Service(http).held.revoked


def test_what_has_expired_leaves_without_being_named(http, user, clock):
    revoked_row(user, now(clock))
    service = Service(http)
    for _ in range(14):
        clock.go(40)
        assert len(service.follow()) == 1
    clock.go(100)
    assert service.follow() == set()


@pytest.mark.parametrize("kind", ["restarted", "idle"])
def test_a_process_that_does_not_know_what_has_changed_goes_by_the_time(http, user, clock, restart, kind):
    for seconds in range(10, 600, 10):
        revoked_row(user, now(clock) - seconds * SECOND)
    service = Service(http)
    if kind == "idle":
        clock.go(30)
        service.follow()
        clock.go(30)
    clock.go(2)
    sid = revoked_row(user, now(clock))
    if kind == "restarted":
        restart()
    assert 1 <= len(service.changes().included) <= 4
    assert sid in service.follow()


@pytest.mark.parametrize("seconds", [0, 1, 7])
def test_two_processes_name_the_same_parts(http, user, clock, restart, seconds):
    for number in range(100):
        revoked_row(user, now(clock) - 6 * number * SECOND)
    here = SignedList.read(http.get(LIST).content, **Service.trust())
    tags = {http.get(url)["ETag"] for url in (LIST, CHANGES)}
    restart()
    clock.go(seconds)
    there = SignedList.read(http.get(LIST).content, **Service.trust())
    # The oldest ones may have left meanwhile: the database's clock goes on.
    assert there.parts == here.parts[len(here.parts) - len(there.parts) :]
    assert len(here.parts) - len(there.parts) <= 2
    assert (here.parts == there.parts) is (tags == {http.get(url)["ETag"] for url in (LIST, CHANGES)})


def test_past_the_maximum_services_still_follow(http, user, clock, monkeypatch):
    monkeypatch.setattr(published_list, "MAX_ENTRIES", 20)
    for seconds in range(0, 300, 10):
        revoked_row(user, now(clock) - seconds * SECOND)
    service = Service(http)
    assert len(service.held.revoked.sids) == 20
    for _ in range(10):
        clock.go(2)
        sid = revoked_row(user, now(clock))
        held = service.follow()
        assert sid in held
        assert len(held) == 20
        assert service.held.revoked == Service(http).held.revoked


def test_a_part_with_revoked_tokens_is_sent_too(http, user, pair, clock):
    service = Service(http)
    sessions.blacklist(pair.access)
    BlacklistedToken.objects.create(jti="with\na line break", user=user, expires_at=now(clock), created_at=now(clock))
    clock.go(1.001)
    service.follow()
    assert set(service.held.revoked.jtis) == {conf.get_config().verifier.verify(pair.access).jti}


def test_everyone_is_signed_out_by_the_changes(http, user, clock):
    service = Service(http)
    sessions.revoke_everyone()
    clock.go(1.001)
    service.follow()
    assert service.held.revoked.not_before > 0
    assert service.held.revoked == Service(http).held.revoked


def test_without_a_key_for_others_there_are_no_changes(http, settings):
    settings.JWTAUTH = jwtauth("HS256")
    assert http.get(CHANGES).status_code == 404


def test_another_key_signs_them_anew(http, settings, clock):
    first = http.get(CHANGES)
    settings.JWTAUTH = {**jwtauth("ES256"), "SIGNING_KEYS": [entry("ES384"), entry("ES256")]}
    assert http.get(CHANGES)["ETag"] != first["ETag"]


urlpatterns = [path("list", well_known.revocations)]


@override_settings(ROOT_URLCONF="tests.http.well_known.test_changes")
def test_a_project_that_does_not_serve_the_changes_does_not_announce_them(http, user, clock):
    sid = revoked_row(user, now(clock))
    claims = SignedList.read(http.get("/list").content, **Service.trust())
    assert (claims.changes, claims.parts, set(claims.revoked.sids)) == ("", (), {sid})


def test_many_threads_make_each_document_once(http, user, clock, monkeypatch):
    revoked_row(user, now(clock))
    reading = revocation_cache.latest(max_age=1)
    config = conf.get_config()
    barrier, found = threading.Barrier(8), []

    def ask(only_changes):
        barrier.wait()
        key = config.signing_keys.signing_key
        publisher = published_list.publisher("")
        found.append(publisher.document(reading, config, key, changes="x", only_changes=only_changes).body)

    threads = [threading.Thread(target=ask, args=(number % 2 == 0,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(found)) == 2  # ES256 signs differently each time
