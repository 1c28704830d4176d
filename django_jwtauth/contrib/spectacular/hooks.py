"""Hooks that a project may name in ``SPECTACULAR_SETTINGS``."""

from collections.abc import Sequence
from typing import Any

from ...views import JWTAuthView
from .endpoints import MARK, copy_of

Endpoint = tuple[str, str, str, Any]


def describe_all_refusals(endpoints: Sequence[Endpoint], **kwargs: Any) -> list[Endpoint]:
    """Describe the refusals that are the same for all of our endpoints, too.

    A hook for ``PREPROCESSING_HOOKS``.

    Args:
        endpoints: Path, path as a regular expression, method and view function of each.
        kwargs: For later versions of drf-spectacular.
    """
    return [(path, regex, method, _marked(view)) for path, regex, method, view in endpoints]


def _marked(view: Any) -> Any:
    if not issubclass(view.cls, JWTAuthView):
        return view
    return copy_of(view, **{MARK: {"has_all_refusals": True}})
