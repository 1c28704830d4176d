"""Parsers that answer 400 to every body they cannot read."""

from typing import Any

from django.core.exceptions import SuspiciousOperation
from django.utils.translation import gettext_lazy as _
from rest_framework.exceptions import APIException, ParseError
from rest_framework.parsers import BaseParser, FormParser, JSONParser, MultiPartParser


class _SafeParser(BaseParser):
    """Turns any error into a 400. REST framework's own parsers let some exceptions through, which would be a 500."""

    def parse(self, stream: Any, media_type: Any = None, parser_context: Any = None) -> Any:
        try:
            return super().parse(stream, media_type, parser_context)
        except (APIException, SuspiciousOperation):
            raise
        except Exception:
            # RecursionError for deep nesting, LookupError and TypeError for odd charsets, …
            raise ParseError(_("Malformed request.")) from None


class SafeJSONParser(_SafeParser, JSONParser):
    """JSON bodies."""


class SafeFormParser(_SafeParser, FormParser):
    """Form bodies."""


class SafeMultiPartParser(_SafeParser, MultiPartParser):
    """Multipart bodies."""
