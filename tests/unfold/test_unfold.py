"""Every page of the admin opens with django-unfold, offers what it offers without it, and does the same."""

import re

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth import get_user_model
from django.template.loader import get_template
from django.urls import reverse

from django_jwtauth import sessions
from django_jwtauth.models import BlacklistedToken, NotBefore, RefreshToken
from tests.tools.admin import browser, html, is_live, messages_of, selected, stored, superuser
from tests.tools.admin_users import form_of

# It has not heard yet of what Django 6.1 asks for.
pytestmark = pytest.mark.filterwarnings(r"ignore:Overriding get_action_choices\(\)")
HOSTILE = "<script>alert(1)</script>"


@pytest.fixture(params=["admin", "styled"])
def site(request):
    return request.param


@pytest.fixture
def client(db):
    return browser(superuser())


@pytest.fixture
def url(site):
    """Return the address of a page of a site; by default of the sessions' pages."""

    def url(name, *args, model="django_jwtauth_refreshtoken"):
        return reverse(f"{site}:{model}_{name}", args=args)

    return url


def test_django_unfold_is_what_is_tested():
    for name in ("admin/base_site.html", "admin/change_form.html", "admin/change_list.html"):
        assert "unfold" in get_template(name).origin.name


def test_each_page_opens(client, url, user, pair):
    hostile = get_user_model().objects.create_user(HOSTILE)
    sessions.revoke(sessions.start(hostile).session, note=HOSTILE)
    sessions.blacklist(pair.access, note=HOSTILE)
    sessions.revoke_everyone(note=HOSTILE)
    after = sessions.start(user)
    RefreshToken.objects.update(replays=7)
    blacklist, times = "django_jwtauth_blacklistedtoken", "django_jwtauth_notbefore"
    pages = [url("changelist"), url("events"), url("find"), url("keys"), url("everyone")]
    pages += [f"{pages[0]}?{query}" for query in ("q=ada", "status=revoked", "reason=reused", "o=-7", "p=1", "staff=0")]
    pages += [url(name, after.session.pk) for name in ("change", "revoke", "history")]
    pages += [url("change", RefreshToken.objects.get(user=hostile).pk), url("sign_out", user.pk)]
    pages += [url("changelist", model=blacklist), url("blacklist", model=blacklist)]
    pages += [url("change", BlacklistedToken.objects.get().pk, model=blacklist)]
    pages += [url("changelist", model=times), url("change", NotBefore.objects.get().pk, model=times)]
    pages += [url("changelist", model="auth_user"), url("change", user.pk, model="auth_user")]
    for page in pages:
        shown = html(client.get(page))
        assert HOSTILE not in shown, page
        assert "jwtauth" in shown, page


def test_pages_have_the_style_of_the_status_words(client, url, user, pair):
    for page in (url("changelist"), url("change", pair.session.pk), url("events"), url("find")):
        assert "django_jwtauth/admin.css" in html(client.get(page)), page
    for page in (url("changelist"), url("change", pair.session.pk), url("change", user.pk, model="auth_user")):
        assert '<span class="jwtauth-status jwtauth-active">active</span>' in html(client.get(page)), page


def test_each_page_offers_its_actions(client, url, user, pair):
    shown = html(client.get(url("change", pair.session.pk)))
    assert f'href="{url("revoke", pair.session.pk)}"' in shown
    assert f'href="{url("sign_out", user.pk)}"' in shown
    shown = html(client.get(url("changelist")))
    for name in ("find", "events", "keys", "everyone"):
        assert f'href="{url(name)}"' in shown, name
    blacklist = url("blacklist", model="django_jwtauth_blacklistedtoken")
    assert f'href="{blacklist}"' in shown
    assert f'href="{blacklist}"' in html(client.get(url("changelist", model="django_jwtauth_blacklistedtoken")))
    for action in ("revoke_selected", "sign_out_users"):
        assert f'value="{action}"' in shown
    shown = html(client.get(url("change", user.pk, model="auth_user")))
    assert f'href="{url("sign_out", user.pk)}"' in shown
    assert url("change", pair.session.pk) in shown


def fields(shown):
    """Return what the form that asks would send, without what is typed."""
    form = shown[shown.index('<form method="post" autocomplete="off">') :]
    hidden = re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', form[: form.index("</form>")])
    return {name: value for name, value in hidden if name != "csrfmiddlewaretoken"}


@pytest.mark.parametrize("action", ["revoke", "sign_out", "everyone"])
def test_actions_that_have_a_page_ask_first(client, url, pair, action):
    page = url(action, *{"revoke": [pair.session.pk], "sign_out": [pair.session.user_id], "everyone": []}[action])
    shown = html(client.get(page))
    assert 'name="note"' in shown
    assert is_live(pair.session)
    assert "errorlist" in html(client.post(page, {"note": "x" * 300, "confirmation": "everyone"}))
    done = client.post(page, {"note": "laptop stolen", "confirmation": "everyone"})
    assert done.status_code == 302
    assert re.search(r"It takes effect everywhere by", messages_of(done)[0])
    assert not is_live(pair.session)
    assert "laptop stolen" in LogEntry.objects.get().get_change_message()
    assert html(client.get(done.headers["Location"]))


@pytest.mark.parametrize("action", ["revoke_selected", "sign_out_users"])
def test_actions_on_what_is_selected_ask_first(client, url, pair, action):
    asked = html(client.post(url("changelist"), selected(action, pair.session)))
    assert is_live(pair.session)
    assert client.post(url("changelist"), {**fields(asked), "note": "theft"}).status_code == 302
    assert stored(pair.session).revoked_note == "theft"


def test_a_token_is_found_and_blacklisted(client, url, pair):
    found = client.post(url("find"), {"token": pair.refresh})
    assert found.headers["Location"] == url("change", pair.session.pk)
    refused = html(client.post(url("find"), {"token": "nonsense"}))
    assert "No session of this project has this token." in refused
    assert "nonsense" not in refused
    page = url("blacklist", model="django_jwtauth_blacklistedtoken")
    assert client.post(page, {"token": pair.access, "note": "in a log"}).status_code == 302
    assert BlacklistedToken.objects.get().note == "in a log"


def test_deactivating_a_user_ends_the_sessions_and_says_so(client, url, user, pair):
    page = url("change", user.pk, model="auth_user")
    sent = form_of(client, page)
    assert sent.pop("is_active") == "on"
    response = client.post(page, sent)
    assert response.status_code == 302
    assert "1 session of the user has ended." in messages_of(response)
    assert (stored(pair.session).revoked_reason, str(stored(pair.session).revoked_by)) == ("user_inactive", "root")


def test_another_password_ends_the_sessions_and_says_so(client, url, user, pair):
    page = url("password_change", user.pk, model="auth_user")
    assert html(client.get(page))
    sent = {"password1": "another horse", "password2": "another horse", "usable_password": "true"}
    response = client.post(page, sent)
    assert response.status_code == 302
    assert "1 session of the user has ended." in messages_of(response)
    assert (stored(pair.session).revoked_reason, str(stored(pair.session).revoked_by)) == ("password_changed", "root")
