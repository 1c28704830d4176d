"""The document of changes: what has changed in a revocation list, for those who hold it already."""

import sys
import threading
from dataclasses import replace

import hypothesis
import pytest
from hypothesis import strategies as st

from django_jwtauth._core import jws
from django_jwtauth._core.revocation_list import SPARE_IDS, Part, RevocationList, SignedChanges, SignedList
from django_jwtauth.errors import InvalidTokenError
from django_jwtauth.keys import Key, KeySet
from tests.tools.products import each_row

NOW = 1_800_000_000
ISSUER = "https://auth.example.com"
KEY = Key.generate("EdDSA")
OTHER = Key.generate("EdDSA")
OLD, NEW = Part.of(["s1", "s2"], ["j1"]), Part.of(["s3"], [])
CHANGED = Part.of(["s1"], ["j1"])
LONG = Part.of((f"long-{number}" for number in range(SPARE_IDS)), [])


def signed_list(*parts, at=NOW, not_before=0):
    return SignedList(
        revoked=RevocationList(not_before=not_before),
        issued_at=at,
        expires_at=at + 60,
        ttl=2,
        max_lifetime=300,
        parts=tuple(part.name for part in parts),
        known={part.name: part for part in parts},
        changes="jwt-revocations/changes",
    )


def read_list(raw, *, now=NOW):
    return SignedList.read(raw.encode(), issuer=ISSUER, keys=KeySet([KEY]), leeway=5, now=now)


def read_changes(raw, *, now=NOW, issuer=ISSUER, keys=(KEY,)):
    raw = raw if isinstance(raw, bytes) else raw.encode()
    return SignedChanges.read(raw, issuer=issuer, keys=KeySet(keys), leeway=5, now=now)


def held(*parts, at=NOW):
    return read_list(signed_list(*parts, at=at).sign(issuer=ISSUER, key=KEY), now=at)


def changes(*parts, included, at=NOW, **more):
    names = [part.name for part in included]
    return read_changes(signed_list(*parts, at=at, **more).sign_changes(names, issuer=ISSUER, key=KEY), now=at)


def a_second_later(signed, *parts, included):
    """Return what becomes of a list."""
    return signed.follow(changes(*parts, included=included, at=signed.issued_at + 1), etag="")


def ids(signed):
    return set(signed.revoked.sids), set(signed.revoked.jtis)


def claims_with(**changed):
    """Return the claims of changes, some of them changed, and those left out that are ``...``."""
    claims = {
        **{"iss": ISSUER, "iat": NOW, "exp": NOW + 60, "ttl": 2, "max_lifetime": 300, "not_before": 0},
        **{"parts": [[OLD.name], [NEW.name, 1, 0]], "sids": ["s3"], "jtis": []},
        **changed,
    }
    return {name: value for name, value in claims.items() if value is not ...}


# The documents


def test_a_list_in_parts_is_a_list_to_those_who_know_of_no_parts():
    raw = signed_list(OLD, NEW, not_before=7).sign(issuer=ISSUER, key=KEY)
    claims = jws.verify_signature(raw, profile=jws.REVOCATIONS, keys=KeySet([KEY]), max_length=10_000).claims
    assert claims == {
        **{"iss": ISSUER, "iat": NOW, "exp": NOW + 60, "ttl": 2, "max_lifetime": 300, "not_before": 7},
        **{"parts": [[OLD.name, 2, 1], [NEW.name, 1, 0]], "sids": ["s1", "s2", "s3"], "jtis": ["j1"]},
        "changes": "jwt-revocations/changes",
    }


def test_an_issuer_without_changes_publishes_a_list_without_parts():
    assert replace(signed_list(OLD, NEW), changes="").content() == {
        **{"ttl": 2, "max_lifetime": 300, "not_before": 0},
        **{"sids": ["s1", "s2", "s3"], "jtis": ["j1"]},
    }


def test_the_name_of_a_part_is_the_digest_that_the_documentation_gives():
    # printf 's1\ns2\n\nj1\n' | sha256sum | cut -c-32 | xxd -r -p | basenc --base64url
    assert OLD.name == "4WQPLdib9RigiHmQ9NiaYQ"
    assert Part.of(["s2", "s1"], ["j1"]) == OLD
    assert (
        len({Part.of(*each).name for each in [([], []), (["a"], []), ([], ["a"]), (["a", "b"], []), (["ab"], [])]}) == 5
    )


def test_ids_that_no_token_can_have_are_not_in_a_part():
    """With them, two sets of ids could have one name."""
    assert Part.of(["s1", "", "s2", "s\n3"], ["j1", ""]) == OLD


def test_the_changes_hold_the_ids_of_some_parts_only():
    found = changes(OLD, NEW, included=[NEW])
    assert found.parts == (OLD.name, NEW.name)
    assert [*found.included.values()] == [NEW]


@pytest.mark.parametrize(
    ("typ", "reason"),
    [("revocations+jwt", "wrong_type"), ("at+jwt", "wrong_type"), ("rt+jwt", "wrong_type"), ("JWT", "wrong_type")],
)
def test_changes_have_a_type_of_their_own(typ, reason):
    with pytest.raises(InvalidTokenError) as caught:
        read_changes(jws.sign(claims_with(), typ=typ, key=KEY))
    assert caught.value.reason == reason
    with pytest.raises(InvalidTokenError) as caught:
        read_list(jws.sign(claims_with(), typ="revocation-changes+jwt", key=KEY))
    assert caught.value.reason == "wrong_type"


def test_changes_are_those_of_one_issuer_under_its_own_keys_at_their_time():
    raw = jws.sign(claims_with(), typ="revocation-changes+jwt", key=KEY)
    assert read_changes(raw)
    impostor = Key.from_pem(OTHER.private_pem(), alg="EdDSA", kid=KEY.kid)
    forged = jws.sign(claims_with(), typ="revocation-changes+jwt", key=impostor)
    for reason, arguments in {
        "wrong_issuer": (raw, {"issuer": f"{ISSUER}/"}),
        "invalid": (raw, {"keys": [OTHER]}),
        "expired": (raw, {"now": NOW + 65}),
        "not_yet_valid": (raw, {"now": NOW - 6}),
    }.items():
        with pytest.raises(InvalidTokenError) as caught:
            read_changes(arguments[0], **arguments[1])
        assert caught.value.reason == reason
    for bad in (forged, raw[:-1], raw[: len(raw) // 2], "", f"{raw}\n", "<html>"):
        with pytest.raises(InvalidTokenError):
            read_changes(bad)


MALFORMED = {
    **{f"no {name}": {name: ...} for name in claims_with()},
    "another id": {"sids": ["s4"]},
    "an id less": {"sids": []},
    "an id more": {"sids": ["s3", "s4"]},
    "a token more": {"jtis": ["j1"]},
    "a session as a token": {"parts": [[OLD.name], [NEW.name, 0, 1]], "sids": [], "jtis": ["s3"]},
    "under the name of another": {"parts": [[NEW.name], [OLD.name, 1, 0]]},
    "without a name": {"parts": [["", 1, 0]]},
    "with an empty id": {"parts": [["", 1, 0]], "sids": [""]},
    "two ids for one": {"parts": [[Part.of(["a", "b"], []).name, 1, 0]], "sids": ["a\nb"]},
    "one count": {"parts": [[OLD.name], [NEW.name, 1]]},
    "three counts": {"parts": [[OLD.name], [NEW.name, 1, 0, 0]]},
    "negative": {"parts": [[NEW.name, -1, 0]]},
    "true": {"parts": [[OLD.name], [NEW.name, True, 0]]},
    "a float": {"parts": [[OLD.name], [NEW.name, 1.0, 0]]},
    "a number as a name": {"parts": [[1], [NEW.name, 1, 0]]},
    "a name alone": {"parts": [OLD.name, [NEW.name, 1, 0]]},
    "an object": {"parts": {}},
    "null": {"parts": None},
    "a number as an id": {"sids": [3]},
    "a time as text": {"not_before": "0"},
}


@each_row("changed", MALFORMED.values(), ids=MALFORMED)
def test_malformed_changes_are_refused(changed):
    with pytest.raises(InvalidTokenError):
        read_changes(jws.sign(claims_with(**changed), typ="revocation-changes+jwt", key=KEY))


BAD_PARTS = {
    "none": {"parts": ...},
    "unlike the ids": {"parts": [[OLD.name, 2, 1]], "sids": ["s1", "s9"], "jtis": ["j1"]},
    "without their ids": {"parts": [[OLD.name], [NEW.name, 1, 0]]},
    "twice": {"parts": [[NEW.name, 1, 0], [NEW.name, 1, 0]], "sids": ["s3", "s3"]},
    "no reference": {"parts": [[NEW.name, 1, 0]], "changes": 1},
    "an empty reference": {"parts": [[NEW.name, 1, 0]], "changes": ""},
}


@each_row("changed", BAD_PARTS.values(), ids=BAD_PARTS)
def test_a_list_whose_parts_cannot_be_used_is_a_list_without_parts(changed):
    claims = claims_with(**{"changes": "x", **changed})
    found = read_list(jws.sign(claims, typ="revocations+jwt", key=KEY))
    assert found.changes == ""
    assert found.parts == ()
    assert ids(found) == (set(claims["sids"]), set(claims["jtis"]))


# What becomes of a list


def test_a_list_becomes_what_the_changes_say():
    first = held(OLD)
    second = first.follow(changes(OLD, NEW, included=[NEW], at=NOW + 2, not_before=5), etag="2")
    assert ids(second) == ({"s1", "s2", "s3"}, {"j1"})
    assert (second.issued_at, second.expires_at, second.revoked.not_before) == (NOW + 2, NOW + 62, 5)
    assert (second.etag, second.follows, second.changes) == ("2", True, first.changes)
    third = a_second_later(second, NEW, included=[])
    assert ids(third) == ({"s3"}, set())
    assert third.revoked.not_before == 0
    assert ids(a_second_later(third, included=[])) == (set(), set())


@pytest.mark.parametrize("at", [NOW, NOW - 4])
def test_changes_of_the_same_second_or_an_earlier_one_take_nothing_away(at):
    """Two processes have read the tables in one second, or the clock of one is behind: nobody knows who was first."""
    first = held(OLD)
    second = first.follow(changes(NEW, included=[NEW], at=at, not_before=5), etag="2")
    assert ids(second) == ({"s1", "s2", "s3"}, {"j1"})
    assert second.revoked.not_before == 5
    assert (second.issued_at, second.expires_at, second.etag, second.follows) == (NOW, NOW + 60, "2", True)
    third = second.follow(changes(CHANGED, included=[CHANGED], at=at), etag="3")
    assert ids(third) == ({"s1", "s2", "s3"}, {"j1"})
    assert third.revoked.not_before == 5
    assert ids(a_second_later(third, CHANGED, included=[])) == ({"s1"}, {"j1"})


def test_what_one_time_replaces_is_found_until_the_time_is_known():
    """A look-up meanwhile has the ids of before, and the time of before."""
    first = held(OLD, NEW)
    second = first.follow(changes(NEW, included=[], at=NOW + 2, not_before=NOW - 100), etag="")
    assert ids(second) == ({"s3"}, set())
    assert ids(first) == ({"s1", "s2", "s3"}, {"j1"})


def test_a_list_that_lacks_a_part_does_not_follow():
    first = held(OLD)
    assert first.follow(changes(OLD, NEW, included=[]), etag="") is None
    assert ids(first) == ({"s1", "s2"}, {"j1"})
    assert ids(first.follow(changes(OLD, NEW, included=[OLD, NEW]), etag="")) == ({"s1", "s2", "s3"}, {"j1"})


def test_a_session_that_is_kept_after_all_leaves_the_list():
    first = held(OLD, NEW)
    second = a_second_later(first, CHANGED, NEW, included=[CHANGED])
    assert ids(second) == ({"s1", "s3"}, {"j1"})


def test_an_id_in_two_parts_stays_as_long_as_one_of_them():
    both = Part.of(["s2", "s3"], [])
    first = held(OLD, both)
    assert ids(first) == ({"s1", "s2", "s3"}, {"j1"})
    second = a_second_later(first, both, included=[])
    assert ids(second) == ({"s2", "s3"}, set())


def test_what_is_in_a_part_that_stays_is_found_all_the_time():
    """Also by a look-up that still has the list of before, while the part leaves that it was in, too."""
    first = held(OLD).follow(changes(CHANGED, included=[CHANGED]), etag="")
    assert first.parts == (OLD.name, CHANGED.name)
    second = a_second_later(first, CHANGED, included=[])
    assert ids(second) == ({"s1"}, {"j1"})
    assert first.revoked.covers({"sid": "s1", "jti": "x", "iat": NOW})
    assert first.revoked.covers({"sid": "x", "jti": "j1", "iat": NOW})


def test_two_processes_that_disagree_make_nobody_fetch_the_list_again():
    """One has read a revocation that was committed late, and the other has not."""
    current = held(OLD)
    current = a_second_later(current, CHANGED, included=[CHANGED])
    for _ in range(3):
        current = a_second_later(current, OLD, included=[])
        assert ids(current) == ({"s1", "s2"}, {"j1"})
        current = a_second_later(current, CHANGED, included=[])
        assert ids(current) == ({"s1"}, {"j1"})


def test_former_parts_are_not_kept_for_ever():
    current = held(OLD, LONG)
    for number in range(20):
        part = Part.of([f"{number}"], [])
        current = a_second_later(current, part, included=[part])
        current = a_second_later(current, LONG, included=[LONG])
        other = Part.of([*LONG.sids, f"{number}"], [])
        current = a_second_later(current, other, included=[other])
    assert sum(map(len, current.known.values())) <= 2.25 * (SPARE_IDS + 1)
    assert OLD.name not in current.known
    assert other.name in current.known


@hypothesis.given(
    states=st.lists(
        st.dictionaries(st.integers(0, 4), st.sets(st.sampled_from("abcdef"), min_size=1, max_size=4)), min_size=2
    ),
    asked=st.lists(st.tuples(st.sets(st.integers(0, 4)), st.sampled_from([1, 1, 0, -3])), min_size=1),
)
def test_whatever_becomes_of_a_list_it_holds_what_the_parts_say_or_asks_for_the_list(states, asked):
    """Also where an issuer has an id in several parts, and where what it says is not newer."""
    divided = [
        [Part.of([f"s{each}" for each in part], [f"j{each}" for each in part]) for part in state.values()]
        for state in states
    ]
    divided = [[*{part.name: part for part in parts}.values()] for parts in divided]
    current = held(*divided[0])
    for number, parts in enumerate(divided[1:]):
        chosen, seconds = asked[number % len(asked)]
        included = [part for position, part in enumerate(parts) if position in chosen]
        before, at = ids(current), current.issued_at + seconds
        following = current.follow(changes(*parts, included=included, at=at), etag="")
        if following is None:
            assert ids(current) == before
            assert {part.name for part in parts} - {part.name for part in included} - current.known.keys()
            fetched = held(*parts, at=at)
            following = fetched if seconds > 0 else current.with_more(fetched)
        current = following
        expected = {each for part in parts for each in part.sids}, {each for part in parts for each in part.jtis}
        if seconds <= 0:
            expected = before[0] | expected[0], before[1] | expected[1]
        assert ids(current) == expected


def test_following_a_long_list_copies_nothing():
    """Readers share the sets of ids, so a poll costs what has changed, not what there is."""
    first = held(LONG, OLD)
    second = a_second_later(first, LONG, NEW, included=[NEW])
    assert second.revoked.sids is first.revoked.sids
    assert second.revoked.jtis is first.revoked.jtis


@pytest.mark.long
def test_a_look_up_during_a_change_never_misses_what_stays():
    """A thread looks up all the time while parts come and go around the entry."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        current = held(LONG, OLD)
        revoked, missed, stop = current.revoked, [], threading.Event()
        claims = {"sid": "s1", "jti": "x", "iat": NOW}

        def look_up():
            while not stop.is_set():
                if not revoked.covers(claims):
                    missed.append(claims)

        thread = threading.Thread(target=look_up)
        thread.start()
        for number in range(300):
            part = Part.of(["s1", f"x{number}"], ["j1"])  # the entry moves to another part each time
            current = a_second_later(current, LONG, part, included=[part])
        stop.set()
        thread.join()
        assert missed == []
    finally:
        sys.setswitchinterval(interval)
