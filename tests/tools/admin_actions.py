"""What an operator can do in the admin."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from django_jwtauth.models import BlacklistedToken, NotBefore
from tests.tools.admin import (
    BLACKLIST,
    LIST,
    VIEW,
    VIEW_BLACKLIST,
    is_live,
    page,
    selected,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """How to ask for an action, and what it leaves behind."""

    url: Callable[[Any], str]
    permission: str
    data: Callable[[Any], dict[str, Any]] = lambda pair: {}
    view: str = VIEW
    logged: int = 1
    signals: int = 1
    has_own_page: bool = True


ACTIONS = {
    "revoke": Action(url=lambda pair: page(pair.session, "revoke"), permission="revoke_refreshtoken"),
    "revoke selected": Action(
        url=lambda pair: LIST,
        permission="revoke_refreshtoken",
        data=lambda pair: selected("revoke_selected", pair.session, confirmed="yes"),
        has_own_page=False,
    ),
    "sign out": Action(url=lambda pair: f"{LIST}user/{pair.session.user_id}/", permission="sign_out_user"),
    "sign out selected": Action(
        url=lambda pair: LIST,
        permission="sign_out_user",
        data=lambda pair: selected("sign_out_users", pair.session, confirmed="yes"),
        has_own_page=False,
    ),
    "everyone": Action(
        url=lambda pair: f"{LIST}everyone/",
        permission="sign_out_everyone",
        data=lambda pair: {"confirmation": "everyone"},
        signals=0,
    ),
    "blacklist": Action(
        url=lambda pair: f"{BLACKLIST}blacklist/",
        permission="blacklist_token",
        data=lambda pair: {"token": pair.access},
        view=VIEW_BLACKLIST,
        signals=0,
    ),
}
OTHERS = {action.permission for action in ACTIONS.values()} | {"introspect_token", "view_notbefore", "change_user"}
each_action = pytest.mark.parametrize("action", ACTIONS.values(), ids=ACTIONS)
PAGES = {name: action for name, action in ACTIONS.items() if action.has_own_page}
each_page = pytest.mark.parametrize("action", PAGES.values(), ids=PAGES)


def do(client, action, pair, **more):
    return client.post(action.url(pair), {**action.data(pair), **more})


def was_done(pair):
    """Tell whether any of the actions has done anything."""
    return not is_live(pair.session) or BlacklistedToken.objects.exists() or NotBefore.objects.exists()


def form_of(shown):
    """Return the fields of the form that asks, as a browser would send them."""
    form = shown[shown.index('<form method="post" autocomplete="off">') :]
    fields = re.findall(
        r'<input type="(?:hidden|text)" name="(\w+)"(?: value="([^"]*)")?', form[: form.index("</form>")]
    )
    return {name: [value for other, value in fields if other == name] for name, _ in fields}
