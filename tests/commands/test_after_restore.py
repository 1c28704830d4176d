"""After a restore from a backup: what was revoked since is not accepted again."""

import datetime
import io

import pytest
from django.core.management import CommandError, call_command

from django_jwtauth import revocation_cache, sessions
from django_jwtauth.models import NotBefore, RefreshToken
from tests.tools.http import bearer
from tests.tools.sessions import refusal

pytestmark = pytest.mark.django_db


def after_restore(*args):
    stdout = io.StringIO()
    call_command("jwtauth_after_restore", *args, stdout=stdout)
    return stdout.getvalue()


def restored(*backup):
    """Bring rows back as a backup has them."""
    RefreshToken.objects.filter(pk__in=[row.pk for row in backup]).delete()
    RefreshToken.objects.bulk_create(backup)
    revocation_cache.forget()


def test_what_the_backup_brings_back_is_refused_everywhere(user, client, pair):
    backup = RefreshToken.objects.get()
    sessions.revoke(pair.session)
    restored(backup)
    assert client.get("/whoami/", **bearer(pair.access)).status_code == 200  # this is what the command is for
    assert "1 session(s) ended" in after_restore("--noinput")
    for url in ("/whoami/", "/stateless/"):
        assert client.get(url, **bearer(pair.access)).json()["reason"] == "revoked"
    assert refusal(pair.refresh) == "revoked"
    assert NotBefore.objects.get().note == "The database was restored from a backup."


def test_who_signs_in_afterwards_goes_on(user, client, pair):
    after_restore("--noinput", "--note", "as of 3 o'clock")
    assert NotBefore.objects.get().note == "as of 3 o'clock"
    assert client.get("/whoami/", **bearer(sessions.start(user).access)).status_code == 200


def test_sessions_of_a_server_whose_clock_was_ahead_end_too(user, pair):
    backup = RefreshToken.objects.get()
    hour = datetime.timedelta(hours=1)
    backup.created_at, backup.rotated_at = backup.created_at + hour, backup.rotated_at + hour
    restored(backup)
    assert "1 session(s) ended" in after_restore("--noinput")
    assert refusal(pair.refresh) == "revoked"


def test_it_asks_first(pair, monkeypatch):
    monkeypatch.setattr("builtins.input", lambda prompt: "yes")
    with pytest.raises(CommandError, match="Nothing has changed"):
        after_restore()
    assert not NotBefore.objects.exists()
    monkeypatch.setattr("builtins.input", lambda prompt: "everyone")
    assert "This ends 1 session(s)" in after_restore()
    assert refusal(pair.refresh) == "revoked"


def test_without_a_terminal_it_names_the_argument(pair, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO())
    with pytest.raises(CommandError, match="--no-input"):
        after_restore()
    assert not NotBefore.objects.exists()


def test_a_note_that_is_too_long_is_said_so(pair):
    with pytest.raises(CommandError, match="255 characters"):
        after_restore("--noinput", "--note", "x" * 256)
    assert not NotBefore.objects.exists()
