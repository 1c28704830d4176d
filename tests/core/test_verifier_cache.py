"""The cache of tokens that were verified before."""

import collections
import copy
import dataclasses
import pickle
import sys
import threading

import pytest

from django_jwtauth._core import jws
from django_jwtauth.keys import Key, KeySet
from tests.tools.tokens import CLAIMS, ES256, KEY, NOW, make, refused, token

# The cache


def entries(verifier):
    return verifier._cache._entries


@pytest.mark.parametrize("key", [KEY, ES256], ids=lambda key: key.alg)
def test_a_hit_gives_equal_claims_that_belong_to_nobody_else(key):
    verifier = make()
    raw = token(key, roles=["reader"], nested={"a": [1]})
    first = verifier.verify(raw, now=NOW)
    untouched = copy.deepcopy(first.claims)
    first.claims["roles"].append("admin")
    first.claims["nested"]["a"].clear()
    first.claims["sub"] = "2"
    second = verifier.verify(raw, now=NOW)
    assert len(entries(verifier)) == 1
    assert second.claims == untouched
    second.claims["roles"].append("admin")
    assert verifier.verify(raw, now=NOW).claims == untouched


def test_what_requests_share_cannot_be_changed():
    verifier = make()
    raw = token(scope="a b", aud=[CLAIMS["aud"], "other"])
    first, second = verifier.verify(raw, now=NOW), verifier.verify(raw, now=NOW)
    assert first.registered is second.registered
    with pytest.raises(TypeError):
        second.registered["sub"] = "2"
    with pytest.raises((AttributeError, TypeError)):
        second.subject = "2"
    assert all(isinstance(value, str | int) for value in second.registered.values())
    assert isinstance(second.audience, tuple)
    assert isinstance(second.scopes, frozenset)
    assert second.claims is second.claims  # one copy for each request
    assert second.claims is not first.claims
    second.claims["sub"] = "2"
    assert (second.subject, first.claims["sub"]) == ("1", "1")


def test_tokens_are_values():
    verifier = make()
    raw = token(nested={"a": [1]})
    first, second, other = verifier.verify(raw, now=NOW), verifier.verify(raw, now=NOW), make().verify(token(), now=NOW)
    assert first == second != other
    assert first != first.claims
    assert hash(first) == hash(second)
    for twin in (copy.copy(second), copy.deepcopy(second), pickle.loads(pickle.dumps(second))):
        assert twin == first
        assert (twin.registered, twin.audience, twin.scopes) == (first.registered, first.audience, first.scopes)
    copied = copy.deepcopy(first)
    copied.claims["nested"]["a"].clear()
    assert first.claims["nested"] == {"a": [1]}


def test_a_hit_asks_the_key_nothing_and_the_clock_again():
    verifier = make(keys=KeySet([ES256]))
    raw = token(ES256)
    verifier.verify(raw, now=NOW)
    (known,) = entries(verifier).values()
    said = known.statement
    assert known.key is ES256
    # What is remembered is what is read: were the signature looked at again, this payload would be refused.
    other = dataclasses.replace(
        said,
        registered={**said.registered, "sub": "9"},
        subject="9",
        payload=said.payload.replace(b'"sub":"1"', b'"sub":"9"'),
    )
    entries(verifier)[next(iter(entries(verifier)))] = dataclasses.replace(known, statement=other)
    assert verifier.verify(raw, now=NOW).subject == verifier.verify(raw, now=NOW).claims["sub"] == "9"
    assert refused(verifier, raw, now=CLAIMS["exp"] + 5) == "expired"


def test_only_the_exact_bytes_are_a_hit():
    verifier = make()
    raw = token()
    verifier.verify(raw, now=NOW)
    head, tail = raw[:-1], raw[-1]
    for other in (f"{raw}=", f"{raw}\n", f" {raw}", head, head + chr(ord(tail) ^ 1), raw.swapcase(), raw + "ı"):
        assert refused(verifier, other) == "invalid"
    assert len(entries(verifier)) == 1


def test_refused_tokens_are_not_remembered():
    verifier = make()
    for raw in (token(aud="other"), token(sub=""), token()[:-2], jws.sign(CLAIMS, typ="JWT", key=KEY), "x", "ä"):
        refused(verifier, raw)
    assert not entries(verifier)


def test_no_token_is_kept_in_memory():
    verifier = make()
    raw = token()
    verifier.verify(raw, now=NOW)
    kept = repr(list(entries(verifier).items()))
    assert raw not in kept
    assert raw.rsplit(".", 1)[1] not in kept


@pytest.mark.parametrize("size", [0, 1, 3])
def test_the_cache_keeps_no_more_than_its_size(size):
    verifier = make(cache_size=size)
    for _ in range(2):
        for number in range(6):
            assert verifier.verify(token(jti=str(number)), now=NOW).jti == str(number)
            assert len(entries(verifier)) <= size
    assert len(entries(verifier)) == size


def test_what_was_not_used_for_longest_goes_first():
    verifier = make(cache_size=2)
    digests = {}
    for jti in ("a", "b", "a", "c"):
        verifier.verify(token(jti=jti), now=NOW)
        digests[jti] = next(reversed(entries(verifier)))
    assert list(entries(verifier)) == [digests["a"], digests["c"]]


def test_a_key_that_was_withdrawn_or_replaced_verifies_nothing_from_memory():
    stolen, fresh = Key.generate("EdDSA"), Key.generate("EdDSA")
    same_name = Key.from_pem(fresh.private_pem(), alg="EdDSA", kid=stolen.kid)
    verifier = make(keys=KeySet([stolen, KEY]))
    raw, other = token(stolen), token()
    verifier.verify(raw, now=NOW)
    verifier.verify(other, now=NOW)
    for keys in (KeySet([KEY]), KeySet([same_name, KEY])):
        verifier.keys = keys
        assert refused(verifier, raw) == "invalid"
        assert verifier.verify(other, now=NOW)
    verifier.keys = KeySet([stolen])
    assert verifier.verify(raw, now=NOW)


class Hurried(collections.OrderedDict):
    """Another thread evicts an entry just before this one would touch it."""

    def move_to_end(self, key):
        del self[key]
        super().move_to_end(key)

    def popitem(self, last):
        self.clear()
        return super().popitem(last=last)


def test_an_entry_that_another_thread_evicts_is_still_used():
    verifier = make(cache_size=1)
    raw = token()
    verifier.verify(raw, now=NOW)
    verifier._cache._entries = Hurried(entries(verifier))
    assert verifier.verify(raw, now=NOW).jti == CLAIMS["jti"]
    assert not entries(verifier)
    for jti in ("a", "b"):
        assert verifier.verify(token(jti=jti), now=NOW).jti == jti
    assert not entries(verifier)


@pytest.mark.parametrize("size", [0, 1, 4])
def test_many_threads_share_a_small_cache(size):
    verifier = make(cache_size=size)
    raws = [token(jti=str(number)) for number in range(8)]
    failures = []
    start = threading.Barrier(8)

    def work(offset):
        start.wait()
        try:
            for turn in range(150):
                number = (turn + offset) % 8
                read = verifier.verify(raws[number], now=NOW)
                if read.jti != str(number):
                    failures.append((number, read.jti))
        except Exception as error:
            failures.append(error)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        threads = [threading.Thread(target=work, args=(offset,)) for offset in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
    finally:
        sys.setswitchinterval(interval)
    assert failures == []
    assert len(entries(verifier)) <= size
