"""The simulation of ``benchmarks/lost_responses.py`` is about this library: its model decides as the library does."""

import datetime

import pytest
from django.test import override_settings
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from benchmarks.lost_responses import EndedError, Here, Tokens
from django_jwtauth import conf, sessions
from django_jwtauth.authentication import JWTAuthentication
from django_jwtauth.errors import InvalidTokenError
from tests.tools.sessions import refresh_token
from tests.tools.travel import with_time_machine

HOUR = 3600
LIFETIME = 300
# No sum of these is the length of the grace period, of the retry period or of a token's life.
WAITS = (7, 21, 49, 287, 3598, 39998)

steps = st.lists(
    st.one_of(
        st.tuples(st.just("refresh"), st.integers(0, 2)),  # how many generations before the present one
        st.tuples(st.just("request"), st.integers(0, 5)),  # how many responses before the last one
        st.tuples(st.just("wait"), st.sampled_from(WAITS)),
    ),
    max_size=12,
)


def lost_twice(*between):
    lost = [("wait", 3598), ("refresh", 0), ("wait", 3598)]
    return [*lost, ("refresh", 1), *between, *lost, ("refresh", 1)]


@pytest.mark.django_db
@pytest.mark.parametrize("retry_hours", [0, 12])
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=steps)
@example(steps=lost_twice())
@example(steps=lost_twice(("request", 0), ("wait", 49)))
@example(steps=[("wait", 49), ("refresh", 0), ("refresh", 1), ("request", 0), ("wait", 49), ("refresh", 1)])
@example(steps=[("wait", 49), ("refresh", 0), ("refresh", 0), ("wait", 49), ("refresh", 1)])
@example(steps=[("wait", 49), ("refresh", 0), ("request", 1), ("wait", 39998), ("refresh", 1), ("refresh", 0)])
def test_the_model_decides_as_the_library_does(user, steps, retry_hours):
    with (
        override_settings(JWTAUTH={"REFRESH_RETRY_PERIOD": datetime.timedelta(hours=retry_hours)}),
        with_time_machine("2030-01-01 12:00:00Z") as moving,
    ):
        model, now = Here(retry_hours * HOUR), 0
        pair = sessions.start(user)
        responses = [(Tokens(refresh=0, minted=0), pair.access)]
        for act, number in steps:
            if act == "wait":
                now += number
                moving.shift(number)
            elif act == "request":
                tokens, access = responses[-1 - number % len(responses)]
                if now - tokens.minted < LIFETIME:
                    model.seen(tokens, now)
                    JWTAuthentication().authenticate_session(conf.get_config().verifier.verify(access))
            else:
                token = max(model.generation - number, 0)
                raw = refresh_token(pair.session, token)
                try:
                    tokens = model.refresh(token, now)
                except EndedError:
                    with pytest.raises(InvalidTokenError, match="reused"):
                        sessions.refresh(raw)
                    return
                response = sessions.refresh(raw)
                assert response.session.generation == tokens.refresh
                responses.append((tokens, response.access))
