"""Who may use an action of the admin."""

import pytest
from django.contrib.admin.models import LogEntry

from django_jwtauth import sessions
from django_jwtauth.models import RefreshToken
from tests.tools.admin import BLACKLIST, LIST, VIEW, VIEW_BLACKLIST, browser, html, operator, page, superuser
from tests.tools.admin_actions import ACTIONS, OTHERS, do, each_action, each_page, was_done

# Who may


@each_action
@pytest.mark.parametrize(
    ("who", "done"),
    [
        ("anonymous", False),
        ("user with all permissions who is not staff", False),
        ("staff", False),
        ("viewer", False),
        ("staff with the action's permission only", False),
        ("viewer with all other permissions", False),
        ("viewer with the action's permission", True),
        ("superuser", True),
        ("superuser who was deactivated", False),
    ],
)
def test_an_action_needs_its_own_permission_and_that_to_view(pair, action, who, done):
    views = {VIEW, VIEW_BLACKLIST}
    client = browser(
        {
            "anonymous": lambda: None,
            "user with all permissions who is not staff": lambda: operator(*views, *OTHERS, is_staff=False),
            "staff": operator,
            "viewer": lambda: operator(*views),
            "staff with the action's permission only": lambda: operator(action.permission),
            "viewer with all other permissions": lambda: operator(*views, *OTHERS - {action.permission}),
            "viewer with the action's permission": lambda: operator(action.view, action.permission),
            "superuser": superuser,
            "superuser who was deactivated": lambda: operator(is_superuser=True, is_active=False),
        }[who]()
    )
    response = do(client, action, pair)
    # To the page of sign-in, or to where the action leads. An operator with other actions in the list gets a message.
    expected = {302} if done or "anonymous" in who or "not staff" in who or "deactivated" in who else {403}
    assert response.status_code in (expected if action.has_own_page or done else {200, 302, 403})
    assert was_done(pair) is done
    assert LogEntry.objects.count() == (action.logged if done else 0)
    if done:
        assert client.get(response.headers["Location"]).status_code == 200


@each_page
@pytest.mark.parametrize("permissions", [[], [VIEW, VIEW_BLACKLIST]], ids=["staff", "viewer"])
def test_operators_without_the_permission_are_not_even_asked(pair, action, permissions):
    assert browser(operator(*permissions)).get(action.url(pair)).status_code == 403


@pytest.mark.parametrize("name", ["find/", "events/", "keys/"])
def test_the_other_pages_are_for_viewers(pair, name):
    assert browser().get(LIST + name).status_code == 302
    assert browser(operator(*OTHERS, name="a")).get(LIST + name).status_code == 403
    refused = browser(operator(*OTHERS, name="b")).post(LIST + name, {"token": pair.refresh})
    assert refused.status_code == (403 if name == "find/" else 405)
    assert browser(operator(VIEW, name="c")).get(LIST + name).status_code == 200


@pytest.mark.parametrize("action", [action for action in ACTIONS.values() if not action.has_own_page])
@pytest.mark.parametrize("granted", [False, True])
def test_actions_are_offered_with_the_permission_only(pair, action, granted):
    client = browser(operator(*[VIEW, action.permission] if granted else [VIEW]))
    assert (action.data(pair)["action"] in html(client.get(LIST))) is granted


@pytest.mark.parametrize("granted", [False, True])
def test_links_are_offered_with_the_permissions_only(pair, granted):
    RefreshToken.objects.update(replays=7)
    permissions = {action.permission for action in ACTIONS.values()}
    client = browser(operator(VIEW, VIEW_BLACKLIST, *(permissions if granted else ())))
    sign_out = f"{LIST}user/{pair.session.user_id}/"
    offers = [
        (page(pair.session), {page(pair.session, "revoke"), sign_out}),
        (LIST, {f"{LIST}everyone/", f"{BLACKLIST}blacklist/"}),
        (f"{LIST}events/", {page(pair.session, "revoke"), sign_out}),
        (BLACKLIST, {f"{BLACKLIST}blacklist/"}),
    ]
    for url, links in offers:
        shown = html(client.get(url))
        assert {link for link in links if f'"{link}"' in shown} == (links if granted else set()), url


def test_nothing_is_offered_that_would_lead_nowhere(pair):
    client = browser(operator(VIEW, "blacklist_token"))  # without the view of what was blacklisted
    assert "blacklist" not in html(client.get(LIST))


@pytest.mark.parametrize("end", [lambda pair: sessions.revoke(pair.session), lambda pair: sessions.revoke_everyone()])
def test_what_has_ended_is_not_offered_to_be_revoked(pair, end):
    RefreshToken.objects.update(replays=7)
    end(pair)
    client = browser(superuser())
    for url in (page(pair.session), f"{LIST}events/"):
        assert page(pair.session, "revoke") not in html(client.get(url))
