"""Another issuer's revocation list: what is taken from it, and when it is read."""

import time
from dataclasses import replace
from datetime import timedelta

import pytest

from django_jwtauth.keys import Key, b64url_encode
from django_jwtauth.verifier import verify_any
from tests.tools.issuers import PATIENCE, Answer, Issuer, make_old, read_anew
from tests.tools.polling import failures_of, put, wait_until
from tests.tools.remote import MIB, OTHER, a_list_of, refused

# The revocation list


@pytest.mark.parametrize(
    ("revoked", "good"),
    [
        ({"sids": ["other", "session-1"]}, {"sid": "session-2"}),
        ({"jtis": ["token-1"]}, {"jti": "token-2"}),
        ({"not_before": "now"}, {"iat": "later"}),
    ],
    ids=["sid", "jti", "not_before"],
)
def test_what_is_revoked_is_refused_and_nothing_else(issuer, revoked, good):
    now = int(time.time()) - 100
    verifier = issuer.verifier()
    later = {name: now + 1 if value == "later" else value for name, value in good.items()}
    raw, other = issuer.token(iat=now), issuer.token(**{"iat": now, **later})
    assert verifier.verify(raw)
    issuer.revoked |= {name: now if value == "now" else value for name, value in revoked.items()}
    read_anew(verifier.revocations)
    assert refused(verifier, raw) == "revoked"
    assert verifier.verify(other)
    assert refused(issuer.verifier(), raw) == "revoked"


def test_an_issuer_may_have_no_list(issuer, server):
    verifier = issuer.verifier(revocations_url=None)
    issuer.revoked["sids"] = ["session-1"]
    assert verifier.verify(issuer.token())
    assert server.count(issuer.list_path) == 0


def test_the_list_is_polled_by_itself_within_the_interval(issuer, server):
    verifier = issuer.verifier(poll_interval=timedelta(seconds=0.1))
    raw = issuer.token()
    verifier.verify(raw)
    issuer.revoked["sids"] = ["session-1"]
    revoked_at = time.monotonic()
    count = server.count(issuer.list_path)
    server.wait_for(issuer.list_path, count + 2)  # the first of them may have been answered before
    wait_until(verifier.revocations, lambda: verifier.revocations.latest.started > revoked_at)
    assert refused(verifier, raw) == "revoked"


def unsigned(issuer):
    _, payload, _ = issuer.document().split(".")
    header = b64url_encode(b'{"alg":"none","typ":"revocations+jwt"}')
    return Answer(body=f"{header}.{payload}.".encode())


def tampered(issuer):
    header, _, signature = issuer.document().split(".")
    other = issuer.document(jtis=["x"]).split(".")[1]
    return Answer(body=f"{header}.{other}.{signature}".encode())


def deep(issuer):
    message = f"{issuer.document().split('.')[0]}.{b64url_encode(b'[' * 500_000)}"
    return Answer(body=f"{message}.{b64url_encode(issuer.key.sign(message.encode()))}".encode())


NOT_TEXTS = {"number": [1], "null": [None], "list": [["session-1"]], "object": [{}], "true": [True]}
LISTS = {
    "expired": (lambda issuer: a_list_of(issuer, iat=int(time.time()) - 90, exp=int(time.time()) - 30), "expired"),
    "from the future": (lambda issuer: a_list_of(issuer, iat=int(time.time()) + 600, exp=2**31), "not_yet_valid"),
    "not yet valid": (lambda issuer: a_list_of(issuer, nbf=int(time.time()) + 600), "not_yet_valid"),
    "another key": (lambda issuer: a_list_of(issuer, key=OTHER), "refused: invalid"),
    "another key of this kid": (
        lambda issuer: a_list_of(issuer, key=Key.from_pem(OTHER.private_pem(), alg="ES256", kid=issuer.key.kid)),
        "refused: invalid",
    ),
    "another issuer's": (lambda issuer: a_list_of(issuer, iss="https://evil.example"), "refused: wrong_issuer"),
    "an access token's type": (lambda issuer: a_list_of(issuer, typ="at+jwt"), "refused: wrong_type"),
    "a refresh token's type": (lambda issuer: a_list_of(issuer, typ="rt+jwt"), "refused: wrong_type"),
    "no type of ours": (lambda issuer: a_list_of(issuer, typ="JWT"), "refused: wrong_type"),
    "an access token": (lambda issuer: Answer(body=issuer.token().encode()), "refused: wrong_type"),
    "unsigned": (unsigned, "refused: invalid"),
    "tampered": (tampered, "refused: invalid"),
    "empty": (lambda issuer: Answer(), "refused: invalid"),
    "HTML": (lambda issuer: Answer(body=b"<html>"), "refused: invalid"),
    "with a newline": (lambda issuer: Answer(body=issuer.document().encode() + b"\n"), "refused: invalid"),
    "binary": (lambda issuer: Answer(body=bytes(range(256))), "refused: invalid"),
    "deep": (deep, "refused: invalid"),
    "oversized": (
        lambda issuer: Answer(body=(b"x" * 65536 for _ in range(3200))),
        "the document has more than 33554432 bytes",
    ),
    "oversized, so it says": (lambda issuer: Answer(body=b"x" * (32 * MIB + 1)), "more than 33554432 bytes"),
    "redirect": (lambda issuer: Answer(status=307, headers={"Location": "/good"}), "a redirect"),
    "gone": (lambda issuer: Answer(status=404), "the answer was 404"),
    "unavailable": (lambda issuer: Answer(status=503), "the answer was 503"),
    **{
        f"no {name}": (lambda issuer, name=name: a_list_of(issuer, **{name: ...}), "refused: invalid")
        for name in ("iss", "iat", "exp", "ttl", "max_lifetime", "not_before", "sids", "jtis")
    },
    **{
        f"{name} of {what}": (lambda issuer, name=name, value=value: a_list_of(issuer, **{name: value}), "invalid")
        for name in ("sids", "jtis")
        for what, value in NOT_TEXTS.items()
    },
    **{
        f"{name} {value!r}": (lambda issuer, name=name, value=value: a_list_of(issuer, **{name: value}), "invalid")
        for name, value in [
            *[("sids", "session-2"), ("sids", {}), ("jtis", None)],
            ("not_before", None),
            *[("not_before", "1"), ("not_before", True), ("not_before", 1.5), ("max_lifetime", "300")],
            *[("max_lifetime", -1), ("ttl", None), ("ttl", 1.5), ("exp", "1"), ("iat", 0)],
        ]
    },
}


@pytest.mark.parametrize(("answer", "message"), LISTS.values(), ids=LISTS)
def test_a_list_that_cannot_be_trusted_is_refused_and_the_old_one_is_used(issuer, server, warned, answer, message):
    issuer.revoked["sids"] = ["session-2"]
    verifier = issuer.verifier()
    raw, revoked = issuer.token(), issuer.token(sid="session-2")
    assert verifier.verify(raw)
    reading = verifier.revocations.latest
    issuer.revoked["sids"] = ["session-1"]  # which nobody shall believe
    server.answers["/good"] = server.answers[issuer.list_path]
    server.answers[issuer.list_path] = answer(issuer)
    read_anew(verifier.revocations)
    text = warned()
    assert message in text
    assert f"event=revocations_unavailable issuer={issuer.url} reason=" in text
    assert verifier.revocations.latest is reading
    assert server.count("/good") == 0
    assert verifier.verify(raw)
    assert refused(verifier, revoked) == "revoked"
    # Nor by somebody who has none yet.
    assert refused(issuer.verifier(), raw) == "stale"
    server.answers[issuer.list_path] = server.answers["/good"]
    wait_until(verifier.revocations, lambda: failures_of(verifier.revocations) == 0)  # by itself
    assert refused(verifier, raw) == "revoked"
    assert verifier.verify(revoked)


def test_an_older_list_takes_nothing_away_and_counts_only_while_the_copy_at_hand_is_good(issuer, server, warned):
    """Another process of the issuer may be a moment behind; somebody may also keep newer lists back."""
    issuer.revoked |= {"sids": ["session-1"], "not_before": 7}
    verifier = issuer.verifier()
    raw = issuer.token()
    assert refused(verifier, raw) == "revoked"
    copy = verifier.revocations.latest.value
    for seconds in (600, 0):
        server.answers[issuer.list_path] = a_list_of(
            issuer, iat=copy.issued_at - seconds, exp=copy.expires_at + 600, sids=["session-2"], not_before=5
        )
        read_anew(verifier.revocations)
        assert warned() == ""
        found = verifier.revocations.latest.value
        assert found.revoked == replace(copy.revoked, sids={"session-1", "session-2"})
        assert (found.issued_at, found.expires_at) == (copy.issued_at, copy.expires_at)
    put(verifier.revocations, copy)
    expired = replace(copy, expires_at=int(time.time()))
    reading = put(verifier.revocations, expired)
    read_anew(verifier.revocations)
    assert "the list is older than the copy at hand, which has expired" in warned()
    assert verifier.revocations.latest is reading
    assert refused(verifier, raw) == "revoked"


def test_a_list_signed_by_the_key_of_another_trusted_issuer_is_refused(server, warned):
    one, two = Issuer(server, "/one"), Issuer(server, "/two")
    verifiers = {each.url: each.verifier() for each in (one, two)}
    for each in (one, two):
        assert verify_any(each.token(), verifiers)
    server.answers[one.list_path] = a_list_of(one, key=two.key, sids=["session-1"])
    read_anew(verifiers[one.url].revocations)
    assert "refused: invalid" in warned()
    server.answers[one.list_path] = a_list_of(two, sids=["session-1"])
    read_anew(verifiers[one.url].revocations)
    assert "refused: invalid" in warned()
    assert verify_any(one.token(), verifiers)


def test_what_is_still_the_present_list_is_not_sent_again_but_believed_until_it_expires(issuer, server, warned):
    etags = []

    def answer(headers):
        etags.append(headers.get("If-None-Match"))
        if etags[-1]:
            return Answer(status=304, headers={"ETag": 'W/"1"'})
        return Answer(body=issuer.document(sids=["session-2"]).encode(), headers={"ETag": 'W/"1"'})

    server.answers[issuer.list_path] = answer
    verifier = issuer.verifier()
    raw = issuer.token()
    assert verifier.verify(raw)
    for _ in range(2):
        make_old(verifier.revocations, 10)
        read_anew(verifier.revocations)
        assert verifier.revocations.latest.age < 10 + PATIENCE
        assert verifier.verify(raw)
        assert refused(verifier, issuer.token(sid="session-2")) == "revoked"
    assert etags == [None, 'W/"1"', 'W/"1"']
    # Who has only a copy that has expired asks as if there were none.
    put(verifier.revocations, replace(verifier.revocations.latest.value, expires_at=int(time.time())))
    read_anew(verifier.revocations)
    assert etags[3:] == [None]
    assert warned() == ""


@pytest.mark.parametrize("tag", ['"1"', "*", f'"{"x" * 50_000}"'], ids=["a tag", "any", "long"])
def test_a_cache_that_was_bad_once_does_no_lasting_harm(issuer, server, warned, tag):
    """It gives a document that is about to expire, with a tag for which a good server never sends another one."""

    def answer(headers):
        sent = headers.get("If-None-Match", "")
        if len(sent) > 8000:
            return Answer(status=431)
        return Answer(status=304) if sent else Answer(body=issuer.document().encode())

    server.answers[issuer.list_path] = Answer(body=issuer.document().encode(), headers={"ETag": tag})
    verifier = issuer.verifier()
    raw = issuer.token()
    assert verifier.verify(raw)
    server.answers[issuer.list_path] = answer
    issuer.revoked["sids"] = ["session-1"]
    put(verifier.revocations, replace(verifier.revocations.latest.value, expires_at=int(time.time())))
    read_anew(verifier.revocations)
    assert refused(verifier, raw) == "revoked"
    assert warned() == ""


def test_nobody_can_say_not_modified_to_who_has_nothing(issuer, server, warned):
    server.answers[issuer.list_path] = Answer(status=304)
    assert refused(issuer.verifier(), issuer.token()) == "stale"
    assert "cannot be fetched" in warned()


def test_a_token_that_is_older_than_the_list_remembers_is_refused(issuer):
    now = int(time.time())
    server_says = issuer.document
    issuer.document = lambda **changes: server_says(max_lifetime=120, **changes)
    verifier = issuer.verifier()
    assert verifier.verify(issuer.token(iat=now - 60))
    assert refused(verifier, issuer.token(iat=now - 120)) == "expired"
    assert refused(verifier, issuer.token(iat=now + 600, exp=now + 900)) == "not_yet_valid"
    assert verifier.verify(issuer.token(iat=now - 120), now=now - 1)
    assert issuer.verifier(revocations_url=None).verify(issuer.token(iat=now - 120))
