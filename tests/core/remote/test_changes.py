"""What has changed in another issuer's revocation list: when it is fetched, and when the list is fetched instead."""

import time
from dataclasses import replace
from datetime import timedelta

import pytest

from django_jwtauth._core import jws, remote
from django_jwtauth._core.revocation_list import Part, RevocationList, SignedList
from django_jwtauth.keys import Key
from tests.tools.issuers import Answer, Issuer, read_anew
from tests.tools.polling import failures_of, let_pass, put, retry_now, wait_until
from tests.tools.remote import OTHER, refused

CHANGES = "/.well-known/jwt-revocations/changes"
FIRST, SECOND, THIRD = (Part.of([f"session-{number}"], []) for number in (1, 2, 3))


class DividingIssuer(Issuer):
    """An issuer whose list has parts, and who also publishes what has changed."""

    def __init__(self, server):
        self.parts = [FIRST]
        self.included = []
        self.reference = "jwt-revocations/changes"
        super().__init__(server)

    def publish(self):
        super().publish()
        self.server.answers[CHANGES] = lambda headers: Answer(body=self.changes().encode(), headers={"ETag": '"c"'})

    def _signed(self):
        return SignedList(
            revoked=RevocationList(),
            **{"issued_at": self.later(), "expires_at": int(time.time()) + 60, "ttl": 2, "max_lifetime": 300},
            **{"parts": tuple(part.name for part in self.parts), "known": {part.name: part for part in self.parts}},
            changes=self.reference,
        )

    def document(self, *, key=None, typ="revocations+jwt", **changed):
        return super().document(key=key, typ=typ, **{**self._signed().content(), **changed})

    def changes(self, *, key=None, typ="revocation-changes+jwt", **changed):
        signed, names = self._signed(), [part.name for part in self.included]
        claims = {**signed._registered(self.url), **signed._frame(), **signed._divided(names)}
        return jws.sign({**claims, **changed}, typ=typ, key=key or self.key)


@pytest.fixture
def issuer(server):
    return DividingIssuer(server)


def holder(issuer):
    """Return a service that holds the list. Not a fixture, which would keep its threads alive too long."""
    verifier = issuer.verifier()
    assert refused(verifier, issuer.token()) == "revoked"
    return verifier


@pytest.fixture
def asked(issuer, server):
    """Return how often the list and the changes were fetched since it was last called."""
    before = {}

    def asked():
        counts = {path: server.count(path) for path in (issuer.list_path, CHANGES)}
        found = tuple(number - before.get(path, 0) for path, number in counts.items())
        before.update(counts)
        return found

    return asked


def revoked_of(verifier):
    return set(verifier.revocations.latest.value.revoked.sids)


def test_after_the_list_only_the_changes_are_fetched(issuer, asked, warned):
    verifier = holder(issuer)
    assert asked() == (1, 0)
    for part in (SECOND, THIRD):
        issuer.parts, issuer.included = [*issuer.parts, part], [part]
        read_anew(verifier.revocations)
        assert asked() == (0, 1)
        assert refused(verifier, issuer.token(sid=part.sids[0])) == "revoked"
    assert revoked_of(verifier) == {"session-1", "session-2", "session-3"}
    issuer.parts, issuer.included = [SECOND], []
    read_anew(verifier.revocations)
    assert verifier.verify(issuer.token())
    assert revoked_of(verifier) == {"session-2"}
    assert warned() == ""


def test_an_issuer_that_publishes_no_changes_is_asked_for_its_list(issuer, server, asked):
    issuer.reference = ""
    verifier = issuer.verifier()
    for _ in range(2):
        assert refused(verifier, issuer.token()) == "revoked"
        read_anew(verifier.revocations)
    assert asked() == (3, 0)


def test_who_lacks_a_part_fetches_the_list(issuer, asked, warned):
    verifier = holder(issuer)
    asked()
    issuer.parts = [FIRST, SECOND]  # whose ids the changes do not hold any more
    read_anew(verifier.revocations)
    assert asked() == (1, 1)
    assert refused(verifier, issuer.token(sid="session-2")) == "revoked"
    read_anew(verifier.revocations)
    assert asked() == (0, 1)
    assert warned() == ""


def test_changes_that_are_the_present_ones_are_not_sent_again(issuer, server, asked):
    verifier = holder(issuer)
    etags = []

    def answer(headers):
        etags.append((headers.get("If-None-Match"), len(etags)))
        return Answer(status=304) if etags[-1][0] else Answer(body=issuer.changes().encode(), headers={"ETag": '"c"'})

    server.answers[CHANGES] = answer
    for _ in range(3):
        read_anew(verifier.revocations)
    assert [etag for etag, _ in etags] == [None, '"c"', '"c"']  # never the one of the list
    assert refused(verifier, issuer.token()) == "revoked"
    # Nobody has signed "not modified": when the copy has expired, the answer must be another one.
    asked()
    put(verifier.revocations, expired(verifier.revocations.latest.value))
    read_anew(verifier.revocations)
    assert asked() == (0, 1)
    assert etags[-1][0] is None


@pytest.mark.parametrize("seconds", [0, -4])
def test_changes_that_are_not_newer_are_not_sent_again_either(issuer, server, seconds):
    verifier = holder(issuer)
    etags, at = [], issuer.time + seconds

    def answer(headers):
        etags.append(headers.get("If-None-Match"))
        body = issuer.changes(iat=at).encode()
        return Answer(status=304) if etags[-1] else Answer(body=body, headers={"ETag": '"c"'})

    server.answers[CHANGES] = answer
    for _ in range(3):
        read_anew(verifier.revocations)
    assert etags == [None, '"c"', '"c"']
    assert refused(verifier, issuer.token()) == "revoked"


def test_a_list_that_is_not_newer_is_not_sent_again_either(issuer, server):
    issuer.reference = ""
    verifier = holder(issuer)
    etags, at = [], issuer.time

    def answer(headers):
        etags.append(headers.get("If-None-Match"))
        body = issuer.document(iat=at).encode()
        return Answer(status=304) if etags[-1] else Answer(body=body, headers={"ETag": '"l"'})

    server.answers[issuer.list_path] = answer
    for _ in range(3):
        read_anew(verifier.revocations)
    assert etags == [None, '"l"', '"l"']
    assert refused(verifier, issuer.token()) == "revoked"


def expired(signed):
    return replace(signed, expires_at=int(time.time()))


UNTRUSTED = {
    "another key": lambda issuer: issuer.changes(key=OTHER),
    "another key of this kid": lambda issuer: issuer.changes(
        key=Key.from_pem(OTHER.private_pem(), alg="ES256", kid=issuer.key.kid)
    ),
    "another issuer's": lambda issuer: issuer.changes(iss="https://evil.example"),
    "the type of a list": lambda issuer: issuer.changes(typ="revocations+jwt"),
    "a list": lambda issuer: issuer.document(parts=[], sids=[], jtis=[]),
    "the type of a token": lambda issuer: issuer.changes(typ="at+jwt"),
    "truncated": lambda issuer: issuer.changes()[:-5],
    "tampered": lambda issuer: issuer.changes().replace(".", ".e", 1),
    "expired": lambda issuer: issuer.changes(iat=int(time.time()) - 90, exp=int(time.time()) - 30),
    "from the future": lambda issuer: issuer.changes(iat=int(time.time()) + 600, exp=2**31),
    "with other ids": lambda issuer: issuer.changes(parts=[[FIRST.name, 1, 0]], sids=["session-9"]),
    "with fewer ids": lambda issuer: issuer.changes(parts=[[FIRST.name, 0, 0]]),
    "HTML": lambda issuer: "<html>",
    "nothing": lambda issuer: "",
}


@pytest.mark.parametrize("body", UNTRUSTED.values(), ids=UNTRUSTED)
def test_changes_that_cannot_be_trusted_change_nothing_and_the_list_is_fetched(issuer, server, asked, warned, body):
    verifier = holder(issuer)
    asked()
    issuer.parts = []  # which nobody shall believe who reads it in the changes
    raw = body(issuer).encode()
    issuer.parts = [FIRST, SECOND]
    server.answers[CHANGES] = Answer(body=raw)
    read_anew(verifier.revocations)
    assert asked() == (1, 1)
    assert "event=revocations_unavailable" in warned()
    assert revoked_of(verifier) == {"session-1", "session-2"}
    # And for a while after that, while it goes on.
    read_anew(verifier.revocations)
    assert asked() == (1, 0)
    assert warned() == ""
    issuer.publish()
    verifier.revocations._changes_from = 0.0  # the minute is over
    read_anew(verifier.revocations)
    assert asked() == (0, 1)
    assert remote.CHANGES_PAUSE_SECONDS == 60


def test_older_changes_are_not_believed(issuer, server, asked):
    """Somebody replays them, or they come from another process of the issuer."""
    verifier = holder(issuer)
    old = issuer.changes(iat=issuer.time - 30, parts=[])
    asked()
    server.answers[CHANGES] = Answer(body=old.encode())
    read_anew(verifier.revocations)
    assert asked() == (0, 1)
    assert refused(verifier, issuer.token()) == "revoked"
    put(verifier.revocations, expired(verifier.revocations.latest.value))
    read_anew(verifier.revocations)
    assert asked() == (1, 1)
    assert refused(verifier, issuer.token()) == "revoked"


def test_a_process_whose_clock_is_behind_tells_what_it_knows(issuer, server, asked):
    """Its documents seem to be old, for as long as nothing else changes."""
    verifier = holder(issuer)
    asked()
    issuer.parts, issuer.included = [SECOND], [SECOND]
    behind = issuer.changes(iat=issuer.time - 4)
    server.answers[CHANGES] = Answer(body=behind.encode())
    for _ in range(2):
        read_anew(verifier.revocations)
        assert asked() == (0, 1)
        assert revoked_of(verifier) == {"session-1", "session-2"}
    # A part that is not here: perhaps it knows of more.
    issuer.parts, issuer.included = [FIRST, THIRD], []
    server.answers[CHANGES] = Answer(body=issuer.changes(iat=issuer.time - 4).encode())
    server.answers[issuer.list_path] = Answer(body=issuer.document(iat=issuer.time - 4).encode())
    read_anew(verifier.revocations)
    assert asked() == (1, 1)
    assert revoked_of(verifier) == {"session-1", "session-2", "session-3"}
    # And what has left leaves, when that is said by somebody who is not behind.
    issuer.parts, issuer.included = [THIRD], []
    server.answers[CHANGES] = Answer(body=issuer.changes().encode())
    read_anew(verifier.revocations)
    assert asked() == (0, 1)
    assert revoked_of(verifier) == {"session-3"}


def test_a_list_without_parts_adds_to_one_with_parts(issuer, server, asked):
    """Two processes of an issuer, of which one does not publish changes yet."""
    verifier = holder(issuer)
    issuer.parts, issuer.included, issuer.reference = [FIRST, SECOND], [], ""
    server.answers[issuer.list_path] = Answer(body=issuer.document(iat=issuer.time - 4).encode())
    asked()
    read_anew(verifier.revocations)
    assert asked() == (1, 1)
    assert revoked_of(verifier) == {"session-1", "session-2"}
    read_anew(verifier.revocations)  # no changes lead from here to the present list
    assert asked() == (1, 0)


@pytest.mark.parametrize("status", [404, 403, 307])
def test_the_list_is_fetched_at_once_if_the_changes_are_refused(issuer, server, asked, warned, status):
    verifier = holder(issuer)
    asked()
    issuer.parts = [FIRST, SECOND]
    server.answers[CHANGES] = Answer(status=status, headers={"Location": "/elsewhere"})
    read_anew(verifier.revocations)
    assert asked() == (1, 1)
    assert revoked_of(verifier) == {"session-1", "session-2"}
    read_anew(verifier.revocations)
    assert asked() == (1, 0)
    assert "event=revocations_unavailable" in warned()
    assert server.count("/elsewhere") == 0


NO_ANSWERS = {
    "nonsense": Answer(raw=b"nonsense\r\n\r\n"),
    **{f"{code}": Answer(status=code) for code in (408, 429, 503)},
}


@pytest.mark.parametrize("answer", NO_ANSWERS.values(), ids=NO_ANSWERS)
def test_without_an_answer_the_list_is_tried_after_two_failures(issuer, server, asked, warned, answer):
    verifier = holder(issuer)
    asked()
    issuer.parts = [FIRST, SECOND]
    server.answers[CHANGES] = answer
    before = verifier.revocations.latest
    for failures in (1, 2):
        retry_now(verifier.revocations)
        read_anew(verifier.revocations)
        assert asked() == (0, 1)
        assert failures_of(verifier.revocations) == failures
        assert "The revocation list" in warned()
        assert verifier.revocations.latest is before
    wait_until(verifier.revocations, lambda: failures_of(verifier.revocations) == 0)  # by itself
    assert asked() == (1, 0)
    assert revoked_of(verifier) == {"session-1", "session-2"}


ELSEWHERE = [
    "https://evil.example/changes",
    "//evil.example/changes",
    "http://127.0.0.1:1/changes",
    "file:///etc/passwd",
    "http://[",
    "#fragment",
    "a b",
]


@pytest.mark.parametrize("reference", ELSEWHERE)
def test_changes_are_only_fetched_from_where_the_list_is(issuer, server, asked, warned, reference):
    issuer.reference = reference
    verifier = issuer.verifier()
    assert refused(verifier, issuer.token()) == "revoked"
    read_anew(verifier.revocations)
    assert asked() == (2, 0)
    assert server.count() == 4  # metadata, keys, and twice the list
    assert "not where the list is" in warned()
    assert refused(verifier, issuer.token()) == "revoked"


def test_where_the_changes_are_is_relative_to_the_list(issuer, server, asked):
    """So it does not matter under which host and path a service reaches the issuer."""
    server.answers["/inside/list"] = server.answers[issuer.list_path]
    server.answers["/inside/jwt-revocations/changes"] = server.answers[CHANGES]
    verifier = issuer.verifier(
        jwks_url=f"{server.url}{issuer.jwks_path}", revocations_url=f"{server.url}/inside/list?secret=1"
    )
    server.answers["/inside/list?secret=1"] = server.answers["/inside/list"]
    assert refused(verifier, issuer.token()) == "revoked"
    read_anew(verifier.revocations)
    assert server.count("/inside/jwt-revocations/changes") == 1


def test_a_forgotten_list_is_fetched_as_a_whole(issuer, asked):
    verifier = holder(issuer)
    asked()
    read_anew(verifier.revocations)
    verifier.revocations.stop()
    assert refused(verifier, issuer.token()) == "revoked"
    assert asked() == (1, 1)


def test_after_the_clock_has_been_set_back_the_list_is_fetched_as_a_whole(issuer, asked):
    verifier = holder(issuer)
    asked()
    put(verifier.revocations, replace(verifier.revocations.latest.value, issued_at=int(time.time()) + 600))
    read_anew(verifier.revocations)
    assert asked() == (1, 0)


def test_another_key_of_the_issuer_signs_the_changes(issuer, server, asked):
    verifier = holder(issuer)
    issuer.keys.insert(0, Key.generate("ES256"))
    let_pass(verifier.keys, 31)
    issuer.parts, issuer.included = [FIRST, SECOND], [SECOND]
    asked()
    read_anew(verifier.revocations)
    assert asked() == (0, 1)
    assert revoked_of(verifier) == {"session-1", "session-2"}


def test_changes_are_polled_by_themselves(issuer, server):
    verifier = issuer.verifier(poll_interval=timedelta(seconds=0.1))
    assert refused(verifier, issuer.token()) == "revoked"
    issuer.parts, issuer.included = [FIRST, SECOND], [SECOND]
    server.wait_for(CHANGES, server.count(CHANGES) + 2)
    wait_until(verifier.revocations, lambda: "session-2" in verifier.revocations.latest.value.revoked.sids)
    assert server.count(issuer.list_path) == 1
