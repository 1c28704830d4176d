"""Bodies of the usual form, which no serializer of REST framework needs to read."""

import pytest
from django.urls import path
from hypothesis import given
from hypothesis import strategies as st
from rest_framework.exceptions import ValidationError

from django_jwtauth import serializers, views
from django_jwtauth.secret import RevealedText, Secret
from tests.tools.http import RIGHT
from tests.tools.products import each_row
from tests.tools.routes import WithRoutes

KINDS = (
    serializers.TokenSerializer,
    serializers.RefreshSerializer,
    serializers.TokenRefreshSerializer,
    serializers.VerifySerializer,
)
NAMES = ("username", "password", "refresh", "token", "scope", "resource", "other")
USUAL = {"username": " ada ", "password": " pass word ", "refresh": " a.b.c", "token": "a.b.c"}


def revealed(validated):
    return {name: value.reveal() if isinstance(value, Secret) else value for name, value in validated.items()}


def read_by_serializer(kind, data):
    serializer = kind(data=data)
    serializer.is_valid(raise_exception=True)
    return serializer.validated_data


def assert_read_alike(kind, data):
    directly = serializers.read_directly(kind, data)
    if directly is None:
        return False
    by_serializer = read_by_serializer(kind, data)
    assert list(revealed(directly).items()) == list(revealed(by_serializer).items())
    assert [*map(type, directly.values())] == [*map(type, by_serializer.values())]
    return True


@pytest.mark.parametrize("kind", KINDS)
def test_a_usual_body_is_read_directly_as_the_serializer_reads_it(kind):
    assert assert_read_alike(kind, {name: RevealedText(value) for name, value in USUAL.items()})


TEXTS = st.one_of(
    st.text(max_size=5),
    st.sampled_from(["", " ", "\t", "a\0b", "a" * 256, "a" * 257, "a" * 4096, "a" * 4097, "\ud800", "é"]),
)
VALUES = st.one_of(TEXTS, TEXTS, st.integers(), st.none(), st.booleans(), st.lists(TEXTS, max_size=2))


@given(kind=st.sampled_from(KINDS), data=st.dictionaries(st.sampled_from(NAMES), VALUES))
def test_what_is_read_directly_is_what_the_serializer_would_make_of_it(kind, data):
    assert_read_alike(kind, data)


@each_row(
    ("kind", "data"),
    [
        (serializers.TokenSerializer, {"username": "ada", "password": "a\0b"}),
        (serializers.TokenSerializer, {"username": " ", "password": "secret"}),
        (serializers.TokenSerializer, {"username": "a" * 300, "password": "secret"}),
        (serializers.TokenSerializer, {"username": "ada", "password": "a" * 4097}),
        (serializers.TokenSerializer, {"username": "ada"}),
        (serializers.TokenRefreshSerializer, {"refresh": ""}),
        (serializers.TokenRefreshSerializer, {"refresh": None}),
        (serializers.TokenRefreshSerializer, {"refresh": "a.b.c", "scope": None}),
        (serializers.VerifySerializer, ["token"]),
    ],
    ids=str,
)
def test_a_wrong_body_is_left_to_the_serializer(kind, data):
    assert serializers.read_directly(kind, data) is None
    with pytest.raises(ValidationError):
        read_by_serializer(kind, data)


class StrictSerializer(serializers.TokenSerializer):
    def validate(self, attrs):
        raise ValidationError("Never.")


class StrictView(views.TokenView):
    def get_serializer(self, *args, **kwargs):
        return StrictSerializer(*args, **kwargs)


@pytest.mark.parametrize(
    "view", [StrictView.as_view(), views.TokenView.as_view(serializer_class=StrictSerializer)], ids=["method", "class"]
)
def test_a_serializer_of_the_project_reads_usual_bodies_too(client, user, view):
    with WithRoutes(path("strict/", view)):
        response = client.post("/strict/", RIGHT)
    assert response.status_code == 400
    assert response.json() == {"non_field_errors": ["Never."]}
