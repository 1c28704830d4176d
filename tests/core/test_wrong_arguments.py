"""Arguments of a wrong kind are named in a sentence, where no Django is needed."""

from datetime import timedelta

import pytest

from django_jwtauth.keys import Key, KeySet
from django_jwtauth.verifier import Verifier
from tests.tools.products import each_row

KEY = Key.generate("ES256")
VERIFIER = {
    "issuer": None,
    "audience": 5,
    "keys": [KEY],
    "jwks_url": 5,
    "revocations_url": 5,
    "poll_interval": 2,
    "max_staleness": 300,
    "timeout": 5,
    "leeway": 5.0,
    "max_lifetime": 300,
    "max_token_length": None,
    "cache_size": "4096",
}


@each_row("name", VERIFIER)
def test_a_verifier(name):
    with pytest.raises(TypeError, match=rf"^{name} must be an? .*, not (None|an object of the type '\w+')\.$"):
        Verifier(**{"issuer": "https://auth.example.com", "audience": "orders", name: VERIFIER[name]})


def test_an_audience_of_something_else():
    with pytest.raises(TypeError, match="audience must be a str or a list of them: it holds None"):
        Verifier(issuer="https://auth.example.com", audience=[None])


def test_what_is_right_is_taken():
    for audience in ("orders", ["orders"], ("orders", "stock"), {"orders": 1}.keys()):
        verifier = Verifier(issuer="i", audience=audience, keys=KeySet([KEY]), max_lifetime=timedelta(minutes=5))
        assert verifier.max_lifetime == 300
    assert len(KeySet(key for key in [KEY])) == 1


@each_row(
    ("make", "sentence"),
    [
        (lambda: KeySet(KEY), "keys must be a list of keys, not an object of the type 'Key'."),
        (lambda: KeySet(["pem"]), "keys must be a list of keys: it holds an object of the type 'str'."),
        (lambda: Key.generate(None), "alg must be a str, such as 'ES256', not None."),
        (lambda: Key.from_pem(None, alg="ES256"), "pem must be a str or bytes, not None."),
        (lambda: Key.from_secret(7), "secret must be a str or bytes, not an object of the type 'int'."),
        (lambda: Key.from_jwk('{"d": "x"}'), "jwk must be a dict, not an object of the type 'str'."),
    ],
)
def test_keys(make, sentence):
    with pytest.raises(TypeError) as caught:
        make()
    assert str(caught.value) == sentence


def test_the_wrong_value_is_in_no_frame():
    with pytest.raises(TypeError) as caught:
        Key.from_jwk('{"d": "secret part"}')
    frames = []
    trace = caught.value.__traceback__.tb_next  # the first one is the test's
    while trace is not None:
        frames.append(repr(trace.tb_frame.f_locals))
        trace = trace.tb_next
    assert frames
    assert "secret part" not in "".join(frames)
