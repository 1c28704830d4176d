"""What a hidden value shows, and what it does not."""

import copy
import json
import pickle

import pytest

from django_jwtauth.secret import RevealedText, Secret, hidden, hide, without_past

RAW = "correct horse battery staple"


@pytest.mark.parametrize("value", [RAW, RAW.encode(), [RAW], {"key": RAW}])
def test_a_secret_shows_nothing_but_its_length(value):
    secret = Secret(value)
    for text in (
        repr(secret),
        str(secret),
        f"{secret}",
        f"{secret!r:>40}",
        repr([secret]),
        repr({1: secret}),
    ):
        assert "horse" not in text
    assert len(secret) == len(value)
    assert secret.reveal() == value


def test_a_secret_cannot_be_changed_or_pickled_and_is_its_own_copy():
    secret = Secret(RAW)
    with pytest.raises(AttributeError):
        secret._value = "other"
    with pytest.raises(AttributeError):
        del secret._value
    with pytest.raises(AttributeError):
        secret.other = 1
    with pytest.raises(TypeError, match=r"^A Secret cannot be pickled\.$"):
        pickle.dumps(secret)
    with pytest.raises(TypeError):
        json.dumps(secret)
    assert copy.copy(secret) is copy.deepcopy(secret) is secret
    assert secret != Secret(RAW)


def test_revealed_text_is_text_that_does_not_show_itself():
    text = Secret(RAW).reveal()
    assert text == RAW
    assert isinstance(text, RevealedText)
    assert f"{text}" == str(text) == RAW
    assert json.loads(json.dumps([text])) == [RAW]
    assert "horse" not in f"{text!r} {[text]} {RevealedText.__sentry_repr__(text)}"
    assert copy.copy(text) is copy.deepcopy(text) is text
    assert type(pickle.loads(pickle.dumps(text))) is str


@pytest.mark.parametrize(("raw", "data"), [("abc", b"abc"), (b"a\xff", b"a\xff"), ("a\u20ac\ud800", b"a??")])
def test_a_token_is_hidden_as_it_was_sent(raw, data):
    secret = hide(raw)
    assert hide(secret) is hidden(secret) is secret
    assert secret.reveal() == raw
    assert secret.reveal_bytes() == data


@pytest.mark.parametrize("value", [None, 1, ["abc"]])
def test_what_is_no_token_is_a_mistake_whose_message_does_not_show_it(value):
    with pytest.raises(TypeError, match=f"^A token is str or bytes, not {type(value).__name__}\\.$"):
        hide(value)


def test_an_error_without_past_has_no_frames():
    try:
        try:
            raise ValueError(RAW)
        except ValueError as error:
            raise KeyError("x") from error
    except KeyError as error:
        found = without_past(error)
    assert (found.__traceback__, found.__cause__, found.__context__) == (None, None, None)
