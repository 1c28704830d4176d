"""``REFRESH_RETRY_PERIOD``: an old token that comes late, because the response to its exchange was lost."""

from datetime import timedelta

import pytest
from django.core.management import call_command

from django_jwtauth.models import RefreshToken
from tests.tools.http import bearer
from tests.tools.simplejwt import reason, refresh

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("seen", ["", "access", "refresh", "off"])
def test_an_old_token_whose_exchange_was_lost_may_come_late(client, old, age, settings, seen, caplog):
    caplog.set_level("INFO", logger="django_jwtauth.security")
    settings.JWTAUTH = {"REFRESH_RETRY_PERIOD": timedelta(hours=12)} if seen != "off" else {}
    lost = refresh(client, old).json()
    if seen == "access":
        assert client.get("/whoami/", **bearer(lost["access"])).status_code == 200
    if seen == "refresh":
        assert refresh(client, lost["refresh"]).status_code == 200
    assert client.get("/whoami/", **bearer(str(old.access_token))).status_code == 200  # says nothing
    age(RefreshToken.objects.get(), timedelta(minutes=5))
    verified = client.post("/auth/token/verify/", {"token": str(old)}, format="json")
    if seen:
        assert reason(verified) == "reused"
        assert reason(refresh(client, old)) == "reused"
        return
    assert verified.status_code == 200
    late = refresh(client, old)
    assert late.status_code == 200
    assert refresh(client, late.json()["refresh"]).status_code == 200
    retried = [record for record in caplog.records if getattr(record, "jwtauth_event", "") == "refresh_retried"]
    assert [record.jwtauth_session for record in retried] == [str(RefreshToken.objects.get().pk)]
    # Not once more: its successor was seen.
    age(RefreshToken.objects.get(), timedelta(minutes=5))
    assert reason(refresh(client, old)) == "reused"


def test_of_an_imported_token_the_first_exchange_may_be_lost(client, old, age, settings):
    settings.JWTAUTH = {"REFRESH_RETRY_PERIOD": timedelta(hours=12)}
    call_command("jwtauth_import_simplejwt", verbosity=0)
    age(RefreshToken.objects.get(), timedelta(minutes=5))
    for _ in range(2):
        assert refresh(client, old).status_code == 200
        age(RefreshToken.objects.get(), timedelta(minutes=5))
    session = RefreshToken.objects.get()
    assert (session.generation, session.retried_generation) == (0, 0)
    age(session, timedelta(minutes=5))
    successor = refresh(client, old).json()
    assert client.get("/whoami/", **bearer(successor["access"])).status_code == 200
    age(RefreshToken.objects.get(), timedelta(minutes=5))
    assert reason(refresh(client, old)) == "reused"
