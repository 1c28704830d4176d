"""The documents for other services. Their views are plain Django views, so stand-ins are shown to drf-spectacular."""

from typing import Any

from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse
from rest_framework.permissions import AllowAny
from rest_framework.renderers import BaseRenderer
from rest_framework.views import APIView

from ... import well_known
from . import bodies
from .operations import DOCUMENTS, Operation

_NOT_CHANGED = "It is the document that `If-None-Match` names."


class DocumentSchema(AutoSchema):
    """One of the documents."""

    said: Operation

    def get_operation_id(self) -> str:
        """Return the id."""
        return self.said.id

    def get_summary(self) -> Any:
        """Return a few words."""
        return self.said.summary

    def get_description(self) -> Any:
        """Return a sentence."""
        return self.said.description

    def get_tags(self) -> list[str]:
        """Return the group of endpoints."""
        return [self.said.tag]

    def get_auth(self) -> list[Any]:
        """Return nothing: the documents are public."""
        return []

    def get_override_parameters(self) -> list[Any]:
        """Return the headers that caches and pollers need."""
        header: dict[str, Any] = {"location": OpenApiParameter.HEADER}
        cached: dict[str, Any] = {**header, "required": True, "response": [200, 304]}
        return [
            OpenApiParameter("If-None-Match", str, description="The `ETag` of a copy.", **header),
            OpenApiParameter("ETag", str, description="It changes with the document.", **cached),
            OpenApiParameter("Cache-Control", str, description="How long it may be kept.", **cached),
            OpenApiParameter("Retry-After", int, response=[503], description="In seconds.", required=True, **header),
        ]

    def get_response_serializers(self) -> Any:
        """Return the responses by status."""
        body = bodies.component(self.registry, self.said.body) if self.said.body else {"type": "string"}
        return {
            200: OpenApiResponse(body, self.said.said),
            304: OpenApiResponse(None, _NOT_CHANGED),
            **{status: OpenApiResponse(None, words) for status, words in self.said.refusals.items()},
        }


def describe(view: Any, media: str, operation: Operation) -> None:
    """Make drf-spectacular find a view that is not REST framework's.

    Args:
        view: A function.
        media: The media type of the document.
        operation: Its description.
    """

    class Renderer(BaseRenderer):
        media_type = media
        format = ""

    class Document(APIView):
        authentication_classes = ()
        permission_classes = (AllowAny,)
        renderer_classes = (Renderer,)
        versioning_class = None
        schema = type("Schema", (DocumentSchema,), {"said": operation})()

        def get(self, request: Any) -> Any:
            """Stand for the view; it is never called."""

    view.cls, view.initkwargs = Document, {}


def describe_all() -> None:
    """Describe the four documents."""
    describe(
        well_known.jwks,
        "application/jwk-set+json",
        Operation(
            id="jwtauth_keys",
            tag=DOCUMENTS,
            summary="Get the public keys",
            description="With these keys, other services verify access tokens (RFC 7517).",
            body="JWTKeySet",
            said="The keys; none, if the keys of the issuer are symmetric.",
        ),
    )
    describe(
        well_known.metadata,
        "application/json",
        Operation(
            id="jwtauth_metadata",
            tag=DOCUMENTS,
            summary="Get the metadata",
            description="Where everything is that the issuer serves (RFC 8414).",
            body="JWTMetadata",
            said="The metadata.",
            refusals={404: "The issuer is not a URL."},
        ),
    )
    describe(
        well_known.revocations,
        "application/jwt",
        Operation(
            id="jwtauth_revocations",
            tag=DOCUMENTS,
            summary="Get the revocation list",
            description="What was revoked lately, signed with the key of the access tokens.",
            said="The list, a JWT with the type `revocations+jwt`.",
            refusals={404: "The key of the issuer is symmetric.", 503: "The list cannot be read at the moment."},
        ),
    )
    describe(
        well_known.revocation_changes,
        "application/jwt",
        Operation(
            id="jwtauth_revocation_changes",
            tag=DOCUMENTS,
            summary="Get what has changed in the revocation list",
            description="What was added or taken back in the last seconds, for those who hold the list.",
            said="The changes, a JWT with the type `revocation-changes+jwt`.",
            refusals={404: "The key of the issuer is symmetric.", 503: "The list cannot be read at the moment."},
        ),
    )
