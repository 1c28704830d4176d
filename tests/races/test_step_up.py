"""Step-ups beside refreshes, and an actor who is deactivated in the moment in which he begins."""

import contextlib

import pytest
from django.contrib.auth import get_user_model
from rest_framework.test import APIClient

from django_jwtauth import conf, sessions
from django_jwtauth.errors import InvalidTokenError
from tests.tools.http import bearer
from tests.tools.threads import CROWD

from .crowd import aged_sessions, reason, refresh, some, stored, users

pytestmark = pytest.mark.django_db(transaction=True)


def claims_of(response):
    return conf.get_config().verifier.verify(response.json()["access"]).claims


@pytest.mark.parametrize(("threads", "rounds"), [(2, some(75)), (CROWD, some(25))])
def test_neither_a_rotation_nor_a_step_up_undoes_the_other(together, threads, rounds):
    for pair in aged_sessions(rounds):
        stepped, *responses = together(
            lambda pair=pair: sessions.step_up(pair.session.pk, amr=["otp"], acr="gold"),
            *[lambda token=pair.refresh: refresh(token)] * (threads - 1),
        )
        assert [response.status_code for response in responses] == [200] * (threads - 1)
        [successor] = {response.json()["refresh"] for response in responses}
        row = stored(pair)
        assert (row.generation, row.amr, row.acr, row.auth_time) == (1, ["otp"], "gold", stepped.auth_time)
        # Each access token says one or the other, and none a mixture.
        for response in responses:
            claims = claims_of(response)
            assert (claims.get("amr"), claims.get("acr")) in [(None, None), (["otp"], "gold")]
        assert claims_of(refresh(successor))["acr"] == "gold"


def test_an_actor_who_is_deactivated_meanwhile_has_nothing_that_works(together):
    rounds = some(75)
    everyone = users(2 * rounds)
    for user, actor in zip(everyone[:rounds], everyone[rounds:], strict=True):
        loaded = get_user_model().objects.get(pk=actor.pk)  # as another request has it

        def deactivate(actor=actor):
            actor.is_active = False
            actor.save()

        def act(user=user, actor=loaded):
            with contextlib.suppress(InvalidTokenError):
                return sessions.start(user, actor=actor, refreshable=True)

        _, *pairs = together(deactivate, act, act)
        for pair in filter(None, pairs):
            reasons = {reason(APIClient().get("/whoami/", **bearer(pair.access))), reason(refresh(pair.refresh))}
            assert reasons in ({"revoked"}, {"user_inactive"})
