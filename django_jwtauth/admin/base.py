"""What the admin's pages of our tables share: they show, and change nothing by themselves."""

from typing import Any, ClassVar

from django.contrib import admin
from django.contrib.admin.utils import quote
from django.contrib.auth import get_user_model
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import NoReverseMatch, URLPattern, path, reverse

from ..models import RefreshToken, RefreshTokenQuerySet
from .filters import CappedPaginator

HIDDEN_FIELDS = {"secret", "auth_hash"}


def all_sessions() -> RefreshTokenQuerySet:
    """Return the query of all sessions, in the database of our tables."""
    return RefreshToken.objects.all()


def page_url(site: Any, name: str, *args: Any) -> str:
    """Return the address of a page of an admin site; empty if the site has none, where a model is not registered."""
    try:
        return reverse(f"{site.name}:{name}", args=args)
    except NoReverseMatch:
        return ""


def user_url(user: Any, site: Any) -> str:
    """Return the address of a user's page in the admin; empty if there is none."""
    meta = get_user_model()._meta
    return page_url(site, f"{meta.app_label}_{meta.model_name}_change", quote(user.pk))


class ReadOnlyAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """Rows are written by the library only. Users stay deletable: their sessions are not deleted with them."""

    list_select_related: ClassVar[tuple[str, ...]] = ("user",)
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER  # each would count all rows
    paginator = CappedPaginator

    class Media:
        """The colours of the status words."""

        css = {"all": ["django_jwtauth/admin.css"]}

    def has_add_permission(self, request: HttpRequest, *args: Any) -> bool:
        """Nobody."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody; ``jwtauth_purge`` deletes."""
        return False

    def get_search_fields(self, request: HttpRequest) -> list[str]:
        """Search by the user's name."""
        return [f"user__{get_user_model().USERNAME_FIELD}"]

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """Let nobody find out what is not shown by asking in the address what it begins with."""
        return lookup.partition("__")[0] not in HIDDEN_FIELDS and super().lookup_allowed(lookup, value, request)

    def must_view(self, request: HttpRequest) -> None:
        """Refuse who may not see the rows.

        Raises:
            PermissionDenied: then.
        """
        if not self.has_view_permission(request):
            raise PermissionDenied

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Read from the database that is written."""
        return super().get_queryset(request).using(RefreshToken.write_alias())

    def context(self, request: HttpRequest, **more: Any) -> dict[str, Any]:
        """Return what the template of a page of ours needs."""
        return {**self.admin_site.each_context(request), "opts": self.opts, "media": self.media, **more}

    def route(self, route: str, view: Any, name: str) -> URLPattern:
        """Return the pattern of a page of this model's, for who may use this site."""
        pattern: URLPattern = path(route, self.admin_site.admin_view(view), name=self._url_name(name))
        return pattern

    def page(self, name: str, *args: Any) -> str:
        """Return the address of a page of this model's."""
        return reverse(f"{self.admin_site.name}:{self._url_name(name)}", args=args)

    def _url_name(self, name: str) -> str:
        return f"{self.opts.app_label}_{self.opts.model_name}_{name}"
