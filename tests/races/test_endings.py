"""Whatever ends a session, at whatever moment of a refresh: afterwards no token of it is good."""

import contextlib
import copy
import io
import os
import uuid
from functools import partial

import pytest
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.db import IntegrityError, connection, transaction
from django.urls import path
from rest_framework.response import Response
from rest_framework.test import APIClient

from django_jwtauth import sessions
from django_jwtauth.models import RefreshToken
from django_jwtauth.views import AuthenticatedView
from tests.tools.http import bearer
from tests.tools.threads import CROWD

from .crowd import (
    aged_sessions,
    assert_nothing_is_alive,
    reason,
    refresh,
    retry_serialization_failures,
    some,
    stored,
    users,
)
from .urls import urlpatterns as _urlpatterns

pytestmark = pytest.mark.django_db(transaction=True)
ISOLATION = os.environ.get("JWTAUTH_TEST_ISOLATION", "read committed")


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


def deactivate(user, pair):
    user.is_active = False
    user.save()


# Not the deletion of a user who signs in meanwhile: there the foreign key decides, see below.
UNSEEN = [(end, acting) for end in (deactivate, change_password) for acting in (False, True)]


@pytest.mark.parametrize(("end", "acting"), [*UNSEEN, (delete_user, True)])
def test_a_transaction_ends_sessions_that_it_does_not_see(together, end, acting):
    """Under REPEATABLE READ it sees the database as it was at its first statement."""
    owner, user = users(2)
    with transaction.atomic():
        if connection.vendor != "sqlite":  # which has one writer at a time
            assert get_user_model().objects.count() == 2
        if acting:
            [pair] = together(lambda: sessions.start(user, actor=owner))
        else:
            [pair] = together(lambda: sessions.start(owner))
        end(owner, pair)
    get_user_model().objects.update(is_active=True)
    assert_nothing_is_alive([pair.access], [pair.refresh] if pair.refresh else [])


def test_a_deletion_beside_a_sign_in_that_it_does_not_see_ends_it_or_changes_nothing(together):
    """Under PostgreSQL's REPEATABLE READ, the foreign key of a row that it does not see refuses the deletion."""
    [owner] = users(1)
    found = get_user_model().objects.filter(pk=owner.pk)
    fails = connection.vendor == "postgresql" and ISOLATION == "repeatable read"
    with pytest.raises(IntegrityError) if fails else contextlib.nullcontext(), transaction.atomic():
        if connection.vendor != "sqlite":
            assert found.count() == 1
        [pair] = together(lambda: sessions.start(found.get()))
        owner.delete()
    if fails:
        assert refresh(pair.refresh).status_code == 200
        found.get().delete()
    assert not found.exists()
    assert_nothing_is_alive([pair.access], [pair.refresh])


class ChangePassword(AuthenticatedView):
    def post(self, request):
        request.user.set_password(request.data["password"])
        sessions.save_password(request.user, keep=request.auth)
        return Response(status=204)


urlpatterns = [*_urlpatterns, path("password/", ChangePassword.as_view())]


@pytest.mark.urls(__name__)
@pytest.mark.parametrize("rival", ["change", "refresh", "logout", "logout_all"])
def test_a_password_change_beside_others_succeeds_or_is_refused(together, rival):
    def change(pair):
        return APIClient().post("/password/", {"password": "battery staple"}, **bearer(pair.access))

    others = {
        "change": change,
        "refresh": lambda pair: refresh(pair.refresh),
        "logout": lambda pair: APIClient().post("/auth/logout/", **bearer(pair.access)),
        "logout_all": lambda pair: APIClient().post("/auth/logout/all/", **bearer(pair.access)),
    }
    owners = users(some(40))
    for owner, mine in zip(owners, aged_sessions(len(owners), *owners), strict=True):
        other = sessions.start(owner)
        pairs = [mine, mine, mine] if rival != "change" else [mine, other, other]
        answers = together(
            lambda mine=mine: change(mine), *[lambda pair=pair: others[rival](pair) for pair in pairs[1:]]
        )
        assert answers[0].status_code in (204, 401)
        # A refresh may lose to the other one and then to the change. Then it tries again later.
        assert {answer.status_code for answer in answers[1:]} <= {200, 204, 401, *({503} if rival == "refresh" else ())}
        changed = get_user_model().objects.get(pk=owner.pk).check_password("battery staple")
        assert changed is (204 in [answer.status_code for answer in (answers if rival == "change" else answers[:1])])
        if rival.startswith("logout"):
            assert_nothing_is_alive([mine.access], [mine.refresh])
        if answers[0].status_code == 204 and rival == "refresh":
            assert APIClient().get("/whoami/", **bearer(mine.access)).status_code == 200


@pytest.mark.parametrize("purges", [2, CROWD - 2])
def test_purges_beside_each_other_and_refreshes_delete_each_row_once(together, purges):
    live, dead = 2, 150
    owners = users(live)
    pairs = list(aged_sessions(live, *owners))
    rows = []
    for row in RefreshToken.objects.all():
        for _ in range(dead // live):
            row.pk, row.expires_at = uuid.uuid4(), row.created_at
            rows.append(copy.copy(row))
    RefreshToken.objects.bulk_create(rows)

    def purge():
        said = io.StringIO()
        call_command("jwtauth_purge", "--batch-size=10", stdout=said)
        return int(said.getvalue().split("(sessions): ")[1].split()[0])

    *deleted, first, second = together(*[purge] * purges, *(partial(refresh, pair.refresh) for pair in pairs))
    assert sum(deleted) == dead
    assert (first.status_code, second.status_code) == (200, 200)
    assert RefreshToken.objects.count() == live


def close_account(user):
    sessions.revoke_all(user, note="account closed")
    user.is_active = False
    user.save()


def save_deactivated(user):
    user.is_active = False
    user.save()


def save_password(user):
    user.set_password("battery staple")
    user.save()


def revoke_some(user):
    sessions.revoke(RefreshToken.objects.of(user).order_by("-pk"))


def by_itself(function):
    return function


def in_transaction(function):
    def call(user):
        with transaction.atomic():
            function(user)

    if os.environ.get("JWTAUTH_TEST_ISOLATION") == "repeatable read":
        return lambda user: retry_serialization_failures(lambda: call(user))
    return call


@pytest.mark.parametrize("wrap", [in_transaction, by_itself])
def test_revocations_of_one_user_at_once_in_transactions_do_not_stand_in_each_others_way(together, wrap):
    ends = [close_account, save_deactivated, save_password, sessions.revoke_all]
    for owner in users(some(20)):
        pairs = [sessions.start(owner) for _ in range(8)]
        loaded = [get_user_model().objects.get(pk=owner.pk) for _ in ends]
        together(
            *[lambda end=end, user=user: wrap(end)(user) for end, user in zip(ends, loaded, strict=True)],
            lambda owner=owner: sessions.revoke_all(owner),
            lambda owner=owner: revoke_some(owner),
        )
        assert {stored(pair).revoked_at is None for pair in pairs} == {False}
