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
class Act:
    url: Callable[[Any], str]
    permission: str
    data: Callable[[Any], dict[str, Any]] = lambda pair: {}
    view: str = VIEW
    logged: int = 1
    signals: int = 1
    has_own_page: bool = True


ACTS = {
    "revoke": Act(url=lambda pair: page(pair.session, "revoke"), permission="revoke_refreshtoken"),
    "revoke selected": Act(
        url=lambda pair: LIST,
        permission="revoke_refreshtoken",
        data=lambda pair: selected("revoke_selected", pair.session, confirmed="yes"),
        has_own_page=False,
    ),
    "sign out": Act(url=lambda pair: f"{LIST}user/{pair.session.user_id}/", permission="sign_out_user"),
    "sign out selected": Act(
        url=lambda pair: LIST,
        permission="sign_out_user",
        data=lambda pair: selected("sign_out_users", pair.session, confirmed="yes"),
        has_own_page=False,
    ),
    "everyone": Act(
        url=lambda pair: f"{LIST}everyone/",
        permission="sign_out_everyone",
        data=lambda pair: {"confirmation": "everyone"},
        signals=0,
    ),
    "blacklist": Act(
        url=lambda pair: f"{BLACKLIST}blacklist/",
        permission="blacklist_token",
        data=lambda pair: {"token": pair.access},
        view=VIEW_BLACKLIST,
        signals=0,
    ),
}
OTHERS = {act.permission for act in ACTS.values()} | {"introspect_token", "view_notbefore", "change_user"}
each_act = pytest.mark.parametrize("act", ACTS.values(), ids=ACTS)
asking_acts = pytest.mark.parametrize("act", [act for act in ACTS.values() if act.has_own_page])


def do(client, act, pair, **more):
    return client.post(act.url(pair), {**act.data(pair), **more})


def was_done(pair):
    """Tell whether any of the acts has done anything."""
    return not is_live(pair.session) or BlacklistedToken.objects.exists() or NotBefore.objects.exists()


def form_of(shown):
    """Return the fields of the form that asks, as a browser would send them."""
    form = shown[shown.index('<form method="post" autocomplete="off">') :]
    fields = re.findall(
        r'<input type="(?:hidden|text)" name="(\w+)"(?: value="([^"]*)")?', form[: form.index("</form>")]
    )
    return {name: [value for other, value in fields if other == name] for name, _ in fields}
