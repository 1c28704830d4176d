"""Whatever ends a session, at whatever moment of a refresh: afterwards no token of it is good."""

import pytest
from rest_framework.test import APIClient

from tests.tools.http import bearer

from .crowd import (
    CROWD,
    aged_sessions,
    assert_nothing_is_alive,
    reason,
    refresh,
    retry_serialization_failures,
    some,
    users,
)

pytestmark = pytest.mark.django_db(transaction=True)


def log_out(user, pair):
    assert APIClient().post("/auth/logout/", **bearer(pair.access)).status_code == 204


def log_out_everywhere(user, pair):
    assert APIClient().post("/auth/logout/all/", **bearer(pair.access)).status_code == 200


def delete_user(user, pair):
    retry_serialization_failures(user.delete)


def change_password(user, pair):
    user.set_password("battery staple")
    user.save()


@pytest.mark.parametrize(("threads", "rounds"), [(2, some(75)), (CROWD, some(25))])
@pytest.mark.parametrize("end", [log_out, log_out_everywhere, delete_user, change_password])
def test_nothing_is_alive_after_an_ending_beside_refreshes(together, end, threads, rounds):
    owners = users(rounds)
    for owner, pair in zip(owners, aged_sessions(rounds, *owners), strict=True):
        responses = together(
            lambda owner=owner, pair=pair: end(owner, pair),
            *[lambda token=pair.refresh: refresh(token)] * (threads - 1),
        )[1:]
        answers = [response.json() for response in responses if response.status_code == 200]
        refused = [response for response in responses if response.status_code != 200]
        if end is delete_user:
            # Its transaction holds the row for several statements; MariaDB can call each try to rotate a deadlock.
            refused = [response for response in refused if response.status_code != 503]
        assert {reason(response) for response in refused} <= {"revoked", "password_changed"}
        assert_nothing_is_alive(
            [pair.access, *(answer["access"] for answer in answers)],
            {pair.refresh, *(answer["refresh"] for answer in answers)},
        )
