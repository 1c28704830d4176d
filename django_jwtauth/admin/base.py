"""What the admin's pages of our tables share: they are read-only, and each page checks a permission of its own."""

from typing import Any

from django.contrib import admin
from django.contrib.admin.utils import quote
from django.contrib.auth import get_user_model
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.urls import NoReverseMatch, URLPattern, path, reverse

from ..database import never_atomic
from ..users import user_key
from .filters import CappedPaginator, IndexedChangeList

HIDDEN_FIELDS = {"secret", "auth_hash"}


def has_permission(request: HttpRequest, codename: str) -> bool:
    """Tell whether the user of the request has a permission of this app, e.g. ``revoke_refreshtoken``."""
    user: Any = request.user
    return bool(user.has_perm(f"django_jwtauth.{codename}"))


def require_permission(request: HttpRequest, codename: str) -> None:
    """Refuse a user who lacks a permission of this app. Call it first: a 404 would reveal which rows exist.

    Raises:
        PermissionDenied: if the user lacks it.
    """
    if not has_permission(request, codename):
        raise PermissionDenied


def url_if_any(site: Any, name: str, *args: Any) -> str:
    """Return the URL of a page of an admin site, or "" if the model is not registered on that site."""
    try:
        return reverse(f"{site.name}:{name}", args=args)
    except NoReverseMatch:
        return ""


def user_url(user: Any, site: Any) -> str:
    """Return the URL of a user's page in the admin, or "" if users are not registered on that site."""
    meta = get_user_model()._meta
    return url_if_any(site, f"{meta.app_label}_{meta.model_name}_change", quote(user_key(user)))


class ReadOnlyAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """A list that nobody, superusers included, can add to, change or delete from; the library writes the rows.

    Users can still be deleted in the admin, since deleting a user does not delete the user's sessions.
    """

    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER  # each facet would count all rows
    paginator = CappedPaginator

    class Media:
        """The style of status words, timelines and tables."""

        css = {"all": ["django_jwtauth/admin.css"]}

    def get_urls(self) -> list[URLPattern]:
        # Each act is a statement of its own, which is repeated under contention. In a transaction of ATOMIC_REQUESTS
        # that would not be possible: it would have to be repeated as a whole.
        patterns: list[URLPattern] = [*self.own_urls(), *super().get_urls()]
        for pattern in patterns:
            pattern.callback = never_atomic(pattern.callback)
        return patterns

    def own_urls(self) -> list[URLPattern]:
        """Return the URL patterns of our own pages."""
        return []

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> Any:
        return IndexedChangeList

    def has_add_permission(self, request: HttpRequest, *args: Any) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False  # jwtauth_purge deletes

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        # A lookup such as ?secret__startswith= in the URL would reveal a hidden column bit by bit.
        return lookup.partition("__")[0] not in HIDDEN_FIELDS and super().lookup_allowed(lookup, value, request)

    def require_view_permission(self, request: HttpRequest) -> None:
        """Refuse a user who is not allowed to view the rows.

        Raises:
            PermissionDenied: if the user lacks the permission.
        """
        if not self.has_view_permission(request):
            raise PermissionDenied

    def page_context(self, request: HttpRequest, **more: Any) -> dict[str, Any]:
        """Return the context that the templates of our own pages need."""
        return {**self.admin_site.each_context(request), "opts": self.opts, "media": self.media, **more}

    def page_route(self, route: str, view: Any, name: str) -> URLPattern:
        """Return the URL pattern of a page of this model, open only to users who may use this site."""
        pattern: URLPattern = path(route, self.admin_site.admin_view(view), name=self._url_name(name))
        return pattern

    def page_url(self, name: str, *args: Any) -> str:
        """Return the URL of a page of this model on this site."""
        return reverse(f"{self.admin_site.name}:{self._url_name(name)}", args=args)

    def _url_name(self, name: str) -> str:
        return f"{self.opts.app_label}_{self.opts.model_name}_{name}"
