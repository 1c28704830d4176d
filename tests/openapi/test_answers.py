"""Each status that the schema describes is one that the endpoint really answers, and the other way round."""

import pytest

from tests.tools.http import RIGHT, TOKEN, bearer

from .provoked import ANSWERS, FORM, MORE, World
from .written import assert_described, complete, operations, statuses, written

pytestmark = pytest.mark.django_db
PROVOKED = [(name, status) for name, by_status in ANSWERS.items() for status in by_status]
WITHOUT_DATABASE = pytest.mark.django_db(transaction=True)
"""For requests that an error of the database lets fail: it would break the transaction of the test."""


def test_all_that_is_described_is_provoked():
    assert set(PROVOKED) == statuses(complete())


@pytest.mark.parametrize(
    ("name", "status"),
    [
        pytest.param(*each, marks=[WITHOUT_DATABASE] if each[1] == 503 else [], id="{}-{}".format(*each))
        for each in PROVOKED
    ],
)
def test_an_endpoint_answers_as_described(name, status):
    response = ANSWERS[name][status](World())
    assert response.status_code == status, response.content
    assert_described(complete(), name, response)


@pytest.mark.parametrize(
    ("name", "number"), [(name, number) for name, sent in MORE.items() for number in range(len(sent))]
)
def test_other_answers_of_an_endpoint_are_described_too(name, number):
    assert_described(complete(), name, MORE[name][number](World()))


def test_a_challenge_is_described(settings):
    settings.JWTAUTH = {"SIGN_IN_CHALLENGE": "tests.openapi.provoked.challenge"}
    schema, world = written(), World()
    for response in (world.post(TOKEN, RIGHT), world.oauth(grant_type="password", **RIGHT)):
        assert response.json()["reason"] == "ask_twice"
        assert_described(schema, "jwtauth_sign_in", response)


ODD_BODIES = [
    (b"{", "application/json"),
    (b"[]", "application/json"),
    (b"null", "application/json"),
    (b'{"username": [], "password": {}, "refresh": 1, "token": null}', "application/json"),
    (b"{}", "application/json; charset=nonsense"),
    (b"grant_type=nonsense", FORM),
    (b"grant_type=refresh_token&refresh_token=x&refresh_token=y", FORM),
    (b"", ""),
    (b"x", "text/xml"),
    (b"x", "multipart/form-data"),
]
ODD_HEADERS = [
    {},
    {"Authorization": "Bearer"},
    {"Authorization": "Bearer x y"},
    {"Accept": "text/html"},
    {"Cookie": "a"},
]


@pytest.mark.parametrize("name", sorted(ANSWERS))
def test_whatever_is_sent_the_answer_is_described(name):
    world = World()
    good = bearer(world.may_introspect().pair.access)["headers"]
    operation = operations(complete())[name]
    url = operation["path"].replace("{id}", str(world.pair.session.pk))
    for body, content_type in ODD_BODIES:
        for headers in (*ODD_HEADERS, good):
            sent = () if operation["method"] == "get" else (body, content_type)
            assert_described(
                complete(), name, world.client.generic(operation["method"].upper(), url, *sent, headers=headers)
            )
