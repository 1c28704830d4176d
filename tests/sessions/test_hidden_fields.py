"""The secret of a session, and what binds it to the password: what is copied, shown or exported has neither."""

import copy
import json
import pickle
from datetime import UTC, datetime
from io import StringIO
from uuid import uuid4

import pytest
from django.contrib.auth import get_user_model
from django.core import serializers
from django.core.management import call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.db.models import Subquery
from django.utils.encoding import force_str
from rest_framework.renderers import JSONRenderer
from rest_framework.serializers import ModelSerializer

from django_jwtauth import sessions
from django_jwtauth.fields import HiddenBytes
from django_jwtauth.models import BlacklistedToken, NotBefore, RefreshToken
from tests.tools.http import REFRESH, bearer

HIDDEN = ("secret", "auth_hash")


def stored(session, name):
    return RefreshToken.objects.values_list(name, flat=True).get(pk=session.pk)


@pytest.mark.parametrize("name", HIDDEN)
def test_the_values_show_themselves_nowhere(pair, name):
    for value in (getattr(pair.session, name), getattr(RefreshToken.objects.get(), name), stored(pair.session, name)):
        assert isinstance(value, HiddenBytes)
        assert len(value) >= 32
        for text in (str(value), repr(value), f"{value}", "%s %r" % (value, value), repr({name: [value]})):  # noqa: UP031
            assert text.replace("********", "").strip(" {}[]':").replace(name, "").strip("': [") == ""
        assert force_str(value) == "********"  # others decode what is bytes
        assert copy.deepcopy(value) == pickle.loads(pickle.dumps(value)) == value
        assert value == bytes(value)
        assert value != bytes(32)
        assert value != str(value)
        assert len({value, bytes(value), HiddenBytes(bytes(value))}) == 1


def test_where_there_is_no_row_there_is_no_value(user):
    """As where a model of the project refers to a session that may be absent."""
    absent = RefreshToken.objects.filter(pk=uuid4())
    found = get_user_model().objects.values_list(*(Subquery(absent.values(name)) for name in HIDDEN))
    assert found.get() == (None, None)


def test_a_serializer_of_all_fields_leaves_them_out(pair):
    class Everything(ModelSerializer):
        class Meta:
            model = RefreshToken
            fields = "__all__"

    shown = Everything(pair.session).data
    assert not shown.keys() & set(HIDDEN)
    assert shown["generation"] == 0
    assert str(pair.session.pk).encode() in JSONRenderer().render(shown)


@pytest.mark.parametrize("form", ["python", "json", "jsonl", "xml"])
def test_django_s_serializers_leave_them_out(pair, form):
    text = str(serializers.serialize(form, RefreshToken.objects.all()))
    assert str(pair.session.pk) in text
    assert not [name for name in HIDDEN if name in text]


def test_what_was_dumped_can_be_loaded_and_signs_nobody_in(client, user, pair, tmp_path):
    sessions.blacklist(sessions.start(user).access)
    sessions.revoke(sessions.start(user).session)
    NotBefore.objects.create(not_before="2020-01-01T00:00Z", created_at="2020-01-01T00:00Z")
    dump = StringIO()
    call_command("dumpdata", "auth.user", "django_jwtauth", natural_foreign=True, stdout=dump)
    file = tmp_path / "dump.json"
    file.write_text(dump.getvalue())
    before = [list(model.objects.order_by("pk").values("pk")) for model in (RefreshToken, BlacklistedToken, NotBefore)]
    get_user_model().objects.all().delete()
    for model in (RefreshToken, BlacklistedToken, NotBefore):
        model.objects.all().delete()

    call_command("loaddata", str(file), verbosity=0)
    after = [list(model.objects.order_by("pk").values("pk")) for model in (RefreshToken, BlacklistedToken, NotBefore)]
    assert after == before
    loaded = RefreshToken.objects.get(pk=pair.session.pk)
    assert loaded.user == user
    assert loaded.secret != pair.session.secret
    refused = client.post(REFRESH, {"refresh": pair.refresh})
    assert (refused.status_code, refused.json()["reason"]) == (401, "invalid")
    refused = client.get("/whoami/", **bearer(pair.access))
    assert (refused.status_code, refused.json()["reason"]) == (401, "password_changed")
    user.save()
    loaded.refresh_from_db()
    assert loaded.revoked_reason == "password_changed"
    assert BlacklistedToken.objects.count() == 1
    assert len(json.loads(dump.getvalue())) == 6


@pytest.mark.django_db
def test_a_migration_can_write_them():
    """A data migration of a project has a model that is made of what the migration says."""
    model = MigrationExecutor(connection).loader.project_state().apps.get_model("django_jwtauth", "RefreshToken")
    now = datetime.now(UTC)
    made = model.objects.create(rotated_at=now, created_at=now, expires_at=now, auth_time=now, auth_hash=b"12")
    assert bytes(model.objects.get(pk=made.pk).auth_hash) == b"12"
    assert len(RefreshToken.objects.get(pk=made.pk).secret) == 32
