"""The documents for other services: ``path("", include("django_jwtauth.urls_well_known"))`` at the root of the host."""

from django.urls import path, re_path

from . import well_known
from .database import never_atomic

urlpatterns = [
    path(".well-known/jwks.json", never_atomic(well_known.jwks), name="jwks"),
    path(".well-known/oauth-authorization-server", never_atomic(well_known.metadata), name="metadata"),
    # The path of the issuer, if it has one, comes last (RFC 8414 section 3.1).
    re_path(
        r"^\.well-known/oauth-authorization-server(?P<path>/.*)\Z",
        never_atomic(well_known.metadata_for_path),
        name="metadata",
    ),
    path(".well-known/jwt-revocations", never_atomic(well_known.revocations), name="revocations"),
    path(".well-known/jwt-revocations/changes", never_atomic(well_known.revocation_changes), name="revocation-changes"),
]
