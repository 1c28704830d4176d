"""The pages of users in the admin."""

import re

from django.urls import reverse

from tests.tools.admin import (
    html,
)


def user_page(user, site="ops", name="change"):
    return reverse(f"{site}:auth_user_{name}", args=[user.pk])


def session_page(session, site="ops"):
    return reverse(f"{site}:django_jwtauth_refreshtoken_change", args=[session.pk])


def form_of(client, url):
    """Return what a browser would send back if nothing was changed."""
    shown = html(client.get(url))
    form = {}
    for tag in re.findall(r"<input[^>]*>", shown):
        fields = dict(re.findall(r'(\w+)="([^"]*)"', tag))
        if fields.get("type") in ("checkbox", "radio") and not re.search(r"\bchecked\b", tag):
            continue
        if fields.get("type") != "submit" and "name" in fields:
            form[fields["name"]] = fields.get("value", "on" if fields.get("type") == "checkbox" else "")
    return {name: value for name, value in form.items() if name != "csrfmiddlewaretoken"}
