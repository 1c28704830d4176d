"""django-safedelete: a user who is hidden is signed out, and one who comes back is not."""

import pytest
from safedelete.config import HARD_DELETE

from django_jwtauth.models import RefreshToken
from tests.tools.http import REFRESH, RIGHT, TOKEN, bearer

from .models import Person

pytestmark = pytest.mark.django_db


def test_safedelete_refuses_a_user_who_is_hidden(client, user):
    tokens = client.post(TOKEN, RIGHT).json()
    user.delete()
    assert Person.all_objects.filter(pk=user.pk).exists()
    assert client.get("/whoami/", **bearer(tokens["access"])).json()["reason"] == "user_inactive"
    assert client.post(REFRESH, {"refresh": tokens["refresh"]}).json()["reason"] == "user_inactive"
    assert client.post(TOKEN, RIGHT).json()["reason"] == "credentials"


def test_safedelete_lets_a_user_go_on_who_comes_back(client, user):
    tokens = client.post(TOKEN, RIGHT).json()
    user.delete()
    user.undelete()
    assert client.get("/whoami/", **bearer(tokens["access"])).status_code == 200
    assert client.post(REFRESH, {"refresh": tokens["refresh"]}).status_code == 200


def test_safedelete_ends_the_sessions_of_a_user_who_is_really_deleted(client, user, pair):
    user.delete(force_policy=HARD_DELETE)
    session = RefreshToken.objects.get()
    assert (session.user, session.revoked_reason) == (None, "user_deleted")
    assert client.get("/whoami/", **bearer(pair.access)).status_code == 401
