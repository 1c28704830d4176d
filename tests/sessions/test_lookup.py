"""How a session is found."""

import pytest

from django_jwtauth import sessions
from django_jwtauth.errors import InvalidTokenError
from django_jwtauth.models import RevokedReason
from tests.tools.sessions import change, refresh_token

# Find


@pytest.mark.django_db
def test_a_session_is_found_by_any_generation_alive_or_not(pair):
    change(pair.session, generation=5)
    for generation in (0, 4, 5, 6):
        assert sessions.find_by_refresh_token(refresh_token(pair.session, generation)) == pair.session
    sessions.revoke(pair.session)
    assert sessions.find_by_refresh_token(pair.refresh).revoked_reason == RevokedReason.ADMIN


@pytest.mark.django_db
def test_no_session_is_found_by_a_token_that_is_not_the_rows(pair):
    change(pair.session, secret=b"another secret, 32 bytes long ...")
    with pytest.raises(InvalidTokenError, match="invalid"):
        sessions.find_by_refresh_token(pair.refresh)
