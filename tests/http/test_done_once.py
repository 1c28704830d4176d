"""What an endpoint does once, or in a shorter way, has the same result as what REST framework does each time."""

import copy

import pytest
from django.test import RequestFactory
from rest_framework import serializers as drf
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.renderers import JSONRenderer

from django_jwtauth import serializers, sessions, tokens
from django_jwtauth._core import jws
from django_jwtauth.errors import InvalidTokenError
from django_jwtauth.request_info import user_agent
from django_jwtauth.secret import Secret
from django_jwtauth.views import TokenRefreshView
from tests.tools.http import REFRESH
from tests.tools.products import each_row
from tests.tools.sessions import age_of_code, refresh_token

# The refresh token of a request


@pytest.fixture
def verified(monkeypatch):
    """The refresh tokens whose signature is looked at."""
    seen, original = [], jws.verify

    def verify(raw, **kwargs):
        seen.append(raw.reveal())
        return original(raw, **kwargs)

    monkeypatch.setattr(jws, "verify", verify)
    return seen


@pytest.mark.django_db
def test_a_refresh_verifies_its_token_once(client, pair, verified):
    age_of_code(pair)
    answer = client.post(REFRESH, {"refresh": pair.refresh})
    assert answer.status_code == 200
    assert verified == [pair.refresh]


@pytest.mark.django_db
def test_what_was_verified_serves_one_request_one_token_and_one_time(pair, verified):
    request, other = RequestFactory().post("/"), RequestFactory().post("/")
    later = refresh_token(pair.session, 1)
    first = tokens.read_refresh_of(request, pair.refresh, again=True)
    assert (first.sid, first.generation) == (str(pair.session.pk), 0)
    for asked_by, raw, generation in [
        (other, pair.refresh, 0),
        (request, later, 1),
        (request, pair.refresh, 0),
        (None, pair.refresh, 0),
    ]:
        assert tokens.read_refresh_of(asked_by, raw).generation == generation
    assert verified == [pair.refresh, pair.refresh, later, pair.refresh, pair.refresh]
    tokens.read_refresh_of(request, pair.refresh, again=True)
    tokens.read_refresh_of(request, pair.refresh)
    assert len(verified) == 6
    with pytest.raises(InvalidTokenError):
        tokens.read_refresh_of(request, pair.refresh[:-2], again=True)
    assert "_jwtauth_refresh" not in vars(request)


@pytest.mark.django_db
def test_a_request_that_is_used_again_verifies_again(pair, verified):
    request = RequestFactory().post("/")
    for _ in range(2):
        sessions.refresh(pair.refresh, request=request)
    assert len(verified) == 2


# Fields


OURS = {
    "token": (serializers.TokenField(), drf.CharField(trim_whitespace=False)),
    "scope": (
        serializers.ScopeField(),
        drf.CharField(required=False, allow_blank=True, trim_whitespace=False, default="", max_length=4096),
    ),
}
VALUES = ["", " ", "a", " ä b ", "\ud800", "a\udfffb", "x" * 4097, "\x00", None, True, 7, 1.5, [], {}, ["a"]]


def verdict(field, value):
    class Body(drf.Serializer):
        name = field

    body = Body(data={} if value is ... else {"name": value})
    if not body.is_valid():
        return False, body.errors
    value = body.validated_data["name"]
    return True, value.reveal() if isinstance(value, Secret) else value


@each_row("kind", OURS)
@each_row("value", [..., *VALUES], ids=ascii)
def test_our_fields_judge_as_rest_frameworks_do(kind, value):
    ours, theirs = (verdict(field, value) for field in OURS[kind])
    assert ours == theirs


def test_each_serializer_has_fields_of_its_own():
    one, other = serializers.TokenRefreshSerializer(), serializers.TokenRefreshSerializer()
    one.fields["refresh"].validators.append("more")
    one.fields["refresh"].error_messages["blank"] = "other"
    one.fields["refresh"].allow_blank = True
    for fields in (other.fields, serializers.TokenRefreshSerializer().fields):
        assert "more" not in fields["refresh"].validators
        assert fields["refresh"].error_messages["blank"] != "other"
        assert not fields["refresh"].allow_blank
        assert fields["refresh"].parent is not one
    copied = copy.deepcopy(one.fields["refresh"])  # of a field that belongs to a serializer: as it was declared
    assert (type(copied), copied.parent, copied.field_name) == (serializers.TokenField, None, None)
    assert not copied.allow_blank


# What the client takes, and who it is


@each_row(
    ("accept", "query"),
    [
        (None, ""),
        ("*/*", ""),
        ("*/*", "?format=json"),
        ("application/json", ""),
        ("application/json, text/plain, */*", ""),
        ("text/html, */*;q=0.1", ""),
    ],
)
def test_the_representation_is_the_one_that_rest_framework_chooses(accept, query):
    request = RequestFactory().post(f"/{query}", **({} if accept is None else {"HTTP_ACCEPT": accept}))
    view = TokenRefreshView()
    view.setup(request)
    view.format_kwarg = None
    wrapped = view.initialize_request(request)
    renderer, media_type = view.perform_content_negotiation(wrapped)
    expected, expected_type = DefaultContentNegotiation().select_renderer(wrapped, view.get_renderers(), None)
    assert type(renderer) is type(expected) is JSONRenderer
    assert media_type == expected_type


@pytest.mark.parametrize(
    ("sent", "stored"), [("App/1", "App/1"), ("Ä" * 513, "Ä" * 512), ("a\tb\x7fc\n", "a b c "), ("", "")]
)
def test_a_user_agent_is_stored_without_control_characters(sent, stored):
    assert user_agent(RequestFactory().get("/", HTTP_USER_AGENT=sent)) == stored
