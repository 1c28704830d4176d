"""How a body is read: 400 if it cannot be, and its texts are hidden from error reports."""

import os
from json import JSONDecoder
from typing import Any

from django.core.exceptions import SuspiciousOperation
from django.http import UnreadablePostError
from django.utils.datastructures import MultiValueDict
from django.utils.translation import gettext_lazy as _
from rest_framework.exceptions import APIException, ParseError
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.parsers import BaseParser, FormParser, JSONParser, MultiPartParser
from rest_framework.request import Request
from rest_framework.utils.json import strict_constant

from ..secret import RevealedText, without_past


class BodyTooLarge(APIException):
    """The body of a request is longer than the view accepts (RFC 9110 section 15.5.14)."""

    status_code = 413
    default_detail = _("The request is too large.")
    default_code = "too_large"


class _SafeParser(BaseParser):
    """Turns any error into a 400. REST framework's own parsers let some exceptions through, which would be a 500."""

    def parse(self, stream: Any, media_type: Any = None, parser_context: Any = None) -> Any:
        try:
            return super().parse(stream, media_type, parser_context)
        except (APIException, SuspiciousOperation) as error:
            refusal = without_past(error)
        except Exception:
            # RecursionError for deep nesting, LookupError and TypeError for odd charsets, …
            refusal = ParseError(_("Malformed request."))
        raise refusal


class SafeJSONParser(_SafeParser, JSONParser):
    """JSON bodies."""


class SafeFormParser(_SafeParser, FormParser):
    """Form bodies."""


class SafeMultiPartParser(_SafeParser, MultiPartParser):
    """Multipart bodies."""


class BodyRequest(Request):
    """REST framework's request. The texts in its ``data`` are like any others, but their ``repr()`` does not show them.

    Any of them may be a password or a token, and error trackers send ``data`` along.
    """

    def _parse(self) -> Any:
        require_short_body(self._request, self.parser_context["view"].max_body_size)
        # Here, not in the parsers: a form that Django has read before passes them by.
        try:
            data, files = self._parse_usual() or super()._parse()  # type: ignore[misc]
        except UnreadablePostError as error:  # the client has gone, which is no fault of the server
            raise ParseError(_("Malformed request.")) from error
        return _hide_texts(data), files

    def _parse_usual(self) -> tuple[Any, Any] | None:
        """Parse JSON in UTF-8, as nearly all bodies are, without looking for a parser and making a decoder.

        Returns:
            The same as REST framework's ``_parse()``; ``None`` for any other body, and for one that cannot be read. So
            the parser decides what an error looks like.
        """
        first = next(iter(self.parsers or ()), None)
        is_usual = (
            self.content_type == SafeJSONParser.media_type
            and self.parser_context["encoding"] == "utf-8"
            and type(first) is SafeJSONParser
            and type(self.negotiator) is DefaultContentNegotiation
            and self.stream is self._request  # it is not empty, and nobody has read it
        )
        if not is_usual:
            return None
        try:
            return _STRICT_JSON.decode(self.body.decode()), MultiValueDict()
        except (ValueError, RecursionError):
            return None

    def take_body(self, other: Request) -> None:
        """Take the body from another request for the same one of Django's: it can be read only once."""
        self._data, self._files, self._full_data = other.data, other.FILES, other.data


_STRICT_JSON = JSONDecoder(parse_constant=strict_constant)


def require_short_body(request: Any, limit: int) -> None:
    """Refuse a long body before anything of it is read.

    Parsed JSON takes fifty times its size, REST framework may know no limit, and the CSRF check looks for its token in
    a form of any length.

    Args:
        request: Django's own.
        limit: In bytes.

    Raises:
        BodyTooLarge: if it is longer.
    """
    if _length(request) > limit:
        raise BodyTooLarge


def _length(request: Any) -> int:
    """Return how long the body is: what ``Content-Length`` says, or what has arrived if that is more.

    On an event loop the whole body has arrived before the view is called, however little of it the header announces: a
    body that is sent in chunks need not have the header, and may have a wrong one.
    """
    try:
        length = int(request.META.get("CONTENT_LENGTH") or 0)  # Django and REST framework read it like that, too
    except ValueError:
        length = 0
    stream = getattr(request, "_stream", None)  # read() would be the only public way
    if stream is not None and stream.seekable():
        position = stream.tell()
        length = max(length, stream.seek(0, os.SEEK_END))
        stream.seek(position)
    return length


def _hide_texts(data: Any) -> Any:
    """Replace all texts in a body, however deep they are. A body that is nothing but a text becomes an empty one."""
    parts = [data]
    while parts:
        part = parts.pop()
        items: Any = ()
        if isinstance(part, dict):
            items = dict.items(part)  # not QueryDict's own: its values are lists, and it refuses changes
        elif isinstance(part, list):
            items = enumerate(part)
        for key, value in items:
            if isinstance(value, str):
                (dict if isinstance(part, dict) else list).__setitem__(part, key, RevealedText(value))
            else:
                parts.append(value)
    return "" if isinstance(data, str) else data
