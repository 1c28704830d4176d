"""What packages copy, log or describe of our tables."""

import csv
import io

import pytest
from auditlog.models import LogEntry
from auditlog.registry import auditlog
from django.contrib import admin
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.urls import path
from drf_spectacular.openapi import AutoSchema
from drf_yasg import openapi
from drf_yasg.views import get_schema_view
from import_export.resources import modelresource_factory
from rest_framework.serializers import ModelSerializer
from rest_framework.views import APIView
from rest_framework.viewsets import ModelViewSet
from reversion import create_revision, register, unregister
from reversion.models import Version

from django_jwtauth import sessions
from django_jwtauth.admin import RefreshTokenAdmin
from django_jwtauth.models import RefreshToken
from tests.tools.admin import LIST, browser, html, superuser
from tests.tools.http import RIGHT, TOKEN, bearer
from tests.tools.routes import WithRoutes

from .page import run, template

pytestmark = pytest.mark.django_db


def secrets_of(session):
    """Return secret and hash in the forms in which they are usually written."""
    values = [bytes(session.secret), bytes(session.auth_hash)]
    return [form for value in values for form in (value.hex(), repr(value)[2:-1])]


def rows_of(text):
    return list(csv.DictReader(io.StringIO(text)))


# django-import-export


def test_import_export_writes_asterisks_for_what_is_hidden(pair):
    (row,) = rows_of(modelresource_factory(RefreshToken)().export().csv)
    assert (row["id"], row["secret"], row["auth_hash"]) == (str(pair.session.pk), "********", "********")


def test_import_export_exports_the_list_of_the_admin(pair, settings, tmp_path):
    (tmp_path / "sessions_with_export.html").write_text(template("django-import-export"))
    settings.TEMPLATES = [{**settings.TEMPLATES[0], "DIRS": [tmp_path]}]
    try:
        run("django-import-export")
        with WithRoutes(path("admin/", admin.site.urls)):
            client = browser(superuser())
            shown = html(client.get(LIST))
            assert f"{LIST}export/" in shown
            assert "find/" in shown  # our own buttons are still there
            form = html(client.get(f"{LIST}export/"))
            assert "sessionresource_user" in form
            assert "sessionresource_secret" not in form
            sent = {"resource": "", "format": "0", "sessionresource_id": "on", "sessionresource_generation": "on"}
            (row,) = rows_of(client.post(f"{LIST}export/", sent).content.decode())
        assert row == {"id": str(pair.session.pk), "generation": "0"}
    finally:
        admin.site.unregister(RefreshToken)
        admin.site.register(RefreshToken, RefreshTokenAdmin)


# django-simple-history


def test_simple_history_has_the_sign_in_without_what_is_hidden(client, user):
    answer = client.post(TOKEN, RIGHT)
    assert answer.status_code == 200
    session = RefreshToken.objects.get()
    (entry,) = session.history.all()
    assert (entry.id, entry.history_type, entry.user) == (session.pk, "+", user)
    assert not {"secret", "auth_hash"} & {field.name for field in entry._meta.get_fields()}
    sessions.revoke(session)
    assert session.history.count() == 1


def test_simple_history_of_users_leaves_sessions_alone(client, user, pair):
    user.first_name = "Ada"
    user.save()
    assert client.get("/whoami/", **bearer(pair.access)).status_code == 200
    user.set_password("another horse")
    user.save()
    assert client.get("/whoami/", **bearer(pair.access)).status_code == 401
    assert get_user_model().history.filter(id=user.pk).count() >= 2


# django-auditlog


def test_auditlog_writes_asterisks_for_what_is_hidden(client, user):
    auditlog.register(RefreshToken)
    try:
        assert client.post(TOKEN, RIGHT).status_code == 200
    finally:
        auditlog.unregister(RefreshToken)
    session = RefreshToken.objects.get()
    entry = LogEntry.objects.get_for_object(session).get()
    assert entry.changes["secret"] == entry.changes["auth_hash"] == ["None", "********"]
    assert entry.changes["user"] == ["None", str(user.pk)]
    assert not [text for text in secrets_of(session) if text in str(entry.changes)]


# django-reversion


def test_reversion_leaves_out_what_is_hidden(user):
    register(RefreshToken)
    try:
        with create_revision():
            pair = sessions.start(user)
        data = Version.objects.get_for_object(pair.session).get().serialized_data
    finally:
        unregister(RefreshToken)
    assert '"generation": 0' in data
    assert "secret" not in data
    assert "auth_hash" not in data


def test_reversion_of_users_ends_sessions_as_any_change_of_password_does(client, user, pair):
    register(get_user_model())
    try:
        with create_revision():
            user.save()
        user.set_password("another horse")
        user.save()
        after = sessions.start(user)
        assert client.get("/whoami/", **bearer(after.access)).status_code == 200
        Version.objects.get_for_object(user).get().revision.revert()
    finally:
        unregister(get_user_model())
    user.refresh_from_db()
    assert user.check_password("correct horse")
    assert client.get("/whoami/", **bearer(after.access)).json()["reason"] == "password_changed"


# Schemas: drf-spectacular, drf-yasg


class Everything(ModelSerializer):
    class Meta:
        model = RefreshToken
        fields = "__all__"


class Sessions(ModelViewSet):
    queryset = RefreshToken.objects.all()
    serializer_class = Everything
    lookup_value_converter = "uuid"


ROUTES = [path("everything/", Sessions.as_view({"get": "list"}))]


def test_spectacular_describes_each_endpoint_and_nothing_that_is_hidden(monkeypatch):
    monkeypatch.setattr(APIView, "schema", AutoSchema())
    out = io.StringIO()
    with WithRoutes(*ROUTES):
        call_command("spectacular", format="openapi-json", stdout=out)
    text = out.getvalue()
    for url in ("/auth/token/", "/auth/sessions/{id}/", "/auth/browser/login/", "/everything/"):
        assert f'"{url}"' in text
    assert '"revoked_note"' in text
    assert '"auth_hash"' not in text
    assert '"secret"' not in text


@pytest.mark.filterwarnings("ignore:jsonschema.RefResolver")
def test_yasg_describes_each_endpoint_and_nothing_that_is_hidden(client, pair):
    view = get_schema_view(openapi.Info(title="Tests", default_version="1"), public=True)
    with WithRoutes(*ROUTES, path("schema.json", view.without_ui())):
        answer = client.get("/schema.json?format=openapi", **bearer(pair.access))
    text = answer.content.decode()
    assert answer.status_code == 200, text
    for url in ("/auth/token/", "/auth/sessions/{id}/", "/auth/browser/login/", "/everything/"):
        assert f'"{url}"' in text
    assert "revoked_note" in text
    assert "auth_hash" not in text
    assert "secret" not in text
