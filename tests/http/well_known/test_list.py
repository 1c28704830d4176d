"""The revocation list that other services read."""

import datetime
import json
import time

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from django_jwtauth import conf, published_list, revocation_cache, sessions
from django_jwtauth._core.revocation_list import RevocationList
from django_jwtauth.keys import b64url_decode
from django_jwtauth.local_list import Entries
from django_jwtauth.models import NotBefore, RefreshToken
from tests.tools.database import failing_reads
from tests.tools.keys import key_for
from tests.tools.well_known import ISSUER, JWKS, LIST, METADATA, entry, jwtauth, read_list, verified

# The list


@pytest.mark.django_db
@pytest.mark.parametrize("alg", ["ES256", "RS256", "EdDSA", "PS512"])
def test_the_list_is_signed_with_the_first_key_and_anybody_can_verify_it(http, settings, clock, alg):
    settings.JWTAUTH = jwtauth(alg, "ES384", "HS256")
    header, claims = verified(http.get(LIST), http.get(JWKS).json(), algorithms=[alg])
    assert header == {"alg": alg, "typ": "revocations+jwt", "kid": key_for(alg).kid}
    assert claims == {
        "iss": ISSUER,
        "iat": int(clock.wall),
        "exp": int(clock.wall) + 60,
        "ttl": 2,
        "max_lifetime": 300,
        "not_before": 0,
        "sids": [],
        "jtis": [],
        "parts": [],
        "changes": "jwt-revocations/changes",
    }


@pytest.mark.django_db
def test_its_times_are_good_by_the_clock_of_a_stock_verifier(http):
    claims = verified(http.get(LIST), http.get(JWKS).json(), times=True)[1]
    assert claims["exp"] == claims["iat"] + 60


@pytest.mark.django_db
def test_every_kind_of_revocation_is_on_it(http, user, clock):
    others = [sessions.start(user) for _ in range(3)]
    sessions.revoke(others[0].session)
    sessions.revoke(others[1].session)
    sessions.blacklist(others[2].access)
    at = RefreshToken.objects.get(pk=others[0].session.pk).revoked_at
    NotBefore.objects.create(not_before=at, created_at=at)
    claims = read_list(http)
    assert claims["sids"] == sorted(str(pair.session.pk) for pair in others[:2])
    assert claims["jtis"] == [conf.get_config().verifier.verify(others[2].access).jti]
    assert claims["not_before"] == int(at.timestamp())


@pytest.mark.django_db
def test_a_revocation_appears_within_a_second_and_a_kept_session_leaves_with_it(http, user, clock):
    pair = sessions.start(user)
    sid = str(pair.session.pk)
    assert read_list(http)["sids"] == []
    user.set_password("new")
    with transaction.atomic():
        user.save()
        clock.go(1.001)
        assert read_list(http)["sids"] == [sid]  # by the connection that will keep it
        sessions.keep(pair.session, user)
    clock.go(1.001)
    assert read_list(http)["sids"] == []


@pytest.mark.django_db
def test_it_costs_one_query_a_second_whatever_happens(http, user, clock):
    pairs = [sessions.start(user) for _ in range(5)]

    def reads(queries):
        return sum("UNION ALL" in query["sql"] for query in queries)

    with CaptureQueriesContext(connection) as queries:
        for pair in pairs:
            sessions.revoke(pair.session)
            for _ in range(10):
                clock.go(0.01)
                assert http.get(LIST).status_code == 200
    assert reads(queries) == 1
    for _ in range(3):
        clock.go(1.001)
        with CaptureQueriesContext(connection) as queries:
            assert len(read_list(http)["sids"]) == 5
            assert http.get(LIST).status_code == 200
        assert len(queries) == 1
        assert reads(queries) == 1


@pytest.mark.django_db
def test_what_did_not_change_is_signed_once_in_a_signing_period(http, user, clock):
    first = http.get(LIST)
    for _ in range(9):
        clock.go(3)
        same = http.get(LIST)
        assert (same.content, same["ETag"]) == (first.content, first["ETag"])
        assert http.get(LIST, headers={"If-None-Match": first["ETag"]}).status_code == 304
    clock.go(3)
    later = http.get(LIST, headers={"If-None-Match": first["ETag"]})
    assert later.status_code == 200
    assert later["ETag"] != first["ETag"]
    jwks = http.get(JWKS).json()
    before, after = verified(first, jwks)[1], verified(later, jwks)[1]
    assert after["iat"] == before["iat"] + 30
    assert after["exp"] == before["exp"] + 30
    # Never one that is about to expire: each is served for one period at most, and lives two.
    assert before["exp"] - after["iat"] >= published_list.SIGNING_PERIOD


@pytest.mark.django_db
@pytest.mark.parametrize(
    "change",
    [
        {"REVOCATION_POLL_INTERVAL": datetime.timedelta(seconds=3)},
        {"ACCESS_TOKEN_LIFETIME": datetime.timedelta(minutes=6)},
        {"ISSUER": f"{ISSUER}/2"},
        {"SIGNING_KEYS": [entry("ES384"), entry("ES256")]},
    ],
    ids=lambda change: next(iter(change)),
)
def test_another_setting_makes_another_list(http, settings, clock, change):
    first = http.get(LIST)
    settings.JWTAUTH = {**jwtauth("ES256"), **change}
    other = http.get(LIST)
    assert other["ETag"] != first["ETag"]
    assert other.content != first.content


@pytest.mark.django_db
def test_a_poll_interval_that_is_no_whole_second_is_rounded_up(http, settings, clock):
    settings.JWTAUTH = jwtauth("ES256", REVOCATION_POLL_INTERVAL=datetime.timedelta(milliseconds=1500))
    assert read_list(http)["ttl"] == 2


@pytest.mark.django_db
@pytest.mark.parametrize("alg", ["ES256", "EdDSA"])
def test_two_processes_give_one_etag_to_one_content(http, user, settings, clock, alg):
    """Whoever asks once here, once there gets a 304, although the bytes differ (RFC 9110 section 8.8.3)."""
    settings.JWTAUTH = jwtauth(alg)
    for _ in range(3):
        sessions.revoke(sessions.start(user).session)
    here = http.get(LIST)
    published_list.forget()
    revocation_cache.forget()
    clock.go(1)
    there = http.get(LIST)
    assert there["ETag"] == here["ETag"]
    assert there.content != here.content  # it was read a second later
    assert verified(there, http.get(JWKS).json(), algorithms=[alg])[1]["sids"] == read_claims(here)["sids"]
    assert http.get(LIST, headers={"If-None-Match": here["ETag"]}).status_code == 304


def read_claims(response):
    return json.loads(b64url_decode(response.content.split(b".")[1]))


@pytest.mark.django_db
def test_with_the_database_away_there_is_no_list_and_never_an_old_one_signed_anew(http, user, clock):
    first = http.get(LIST)
    with failing_reads() as database:
        for seconds in (1.5, 1, 30, 30, 100):
            clock.go(seconds)
            response = http.get(LIST, headers={"If-None-Match": first["ETag"]})
            if seconds == 1.5:
                assert response.status_code == 304  # the copy is younger than two seconds
                continue
            assert response.status_code == 503
            assert response.content == b""
            assert response["Retry-After"] == "1"
            assert response["Cache-Control"] == "no-store"
            assert response["Access-Control-Allow-Origin"] == "*"
            assert "ETag" not in response
        assert database.attempts >= 4
    clock.go(10)
    assert http.get(LIST).status_code == 200
    assert read_list(http)["iat"] == int(clock.wall)


@pytest.mark.django_db
def test_a_list_that_takes_long_to_be_read_is_sent_to_who_has_waited_for_it(http, user, clock):
    sid = str(sessions.start(user).session.pk)
    sessions.revoke(sid)

    def slow(execute, sql, params, many, context):
        clock.go(5)
        return execute(sql, params, many, context)

    began = int(clock.wall)
    with connection.execute_wrapper(slow):
        response = http.get(LIST)
    claims = verified(response, http.get(JWKS).json())[1]
    assert (claims["sids"], claims["iat"]) == ([sid], began)


@pytest.mark.django_db
def test_a_process_that_never_could_read_the_list_has_none(http, clock):
    with failing_reads():
        assert http.get(LIST).status_code == 503
        assert http.head(LIST).status_code == 503


def test_keys_and_metadata_need_no_database(http):
    """No mark: any query would fail."""
    assert http.get(JWKS).status_code == 200
    assert http.get(METADATA).status_code == 200


@pytest.mark.django_db
def test_past_what_others_read_one_time_stands_for_the_oldest(http, user, clock, monkeypatch, caplog):
    monkeypatch.setattr(published_list, "MAX_ENTRIES", 2)
    ended = [sessions.start(user).session for _ in range(3)]
    for session in ended[:2]:
        sessions.revoke(session)
    clock.go(2)
    assert set(read_list(http)["sids"]) == {str(session.pk) for session in ended[:2]}
    sessions.revoke(ended[2])
    clock.go(2)
    claims = read_list(http)
    assert (set(claims["sids"]), claims["jtis"]) == ({str(session.pk) for session in ended[1:]}, [])
    assert claims["not_before"] == int(ended[0].revoked_at.timestamp())
    assert "one time is published instead" in caplog.text


@pytest.mark.parametrize(
    ("maximum", "count"), [(200, 300), pytest.param(500_000, 600_000, marks=pytest.mark.long)], ids=["short", "long"]
)
def test_past_the_maximum_nothing_revoked_is_accepted_and_the_time_moves_slowly(monkeypatch, maximum, count):
    """Ten minutes of revocations: the newest ids are published, and the time stands for what is older."""
    monkeypatch.setattr(published_list, "MAX_ENTRIES", maximum)
    now = datetime.datetime.now(datetime.UTC)
    entries = Entries(None, begins_at=now.timestamp() - 600, length=datetime.timedelta(seconds=5))
    revoked = {f"{n:036}": now - datetime.timedelta(seconds=600 * n / count) for n in range(count)}
    for number, (entry_id, at) in enumerate(revoked.items()):
        entries.add(number % 2, entry_id, at)
    local = entries.as_list(not_before=0, begins_at=0.0, fully_read_at=time.monotonic())
    parts, not_before = published_list._bounded(local)
    sids, jtis = ({each for part in parts.values() for each in part[kind]} for kind in (0, 1))
    published = RevocationList(sids=sids, jtis=jtis, not_before=not_before)
    assert len(sids) + len(jtis) == maximum
    for entry_id, at in revoked.items():
        assert published.covers({"sid": entry_id, "jti": entry_id, "iat": int(at.timestamp())})
    # Who is alive has to refresh what is older than all ids that are published, and nothing else.
    oldest = now.timestamp() - 600 * maximum / count
    assert oldest - 4 < not_before <= oldest
