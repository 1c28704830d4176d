"""The files of the page, and the addresses of the services."""

from collections.abc import Callable
from pathlib import Path

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect, JsonResponse

import django_jwtauth

FILES = Path(__file__).parent / "static"
CLIENT = Path(django_jwtauth.__file__).parent / "static" / "django_jwtauth" / "jwtauth.js"
CONTENT_TYPES = {".css": "text/css", ".html": "text/html", ".js": "text/javascript", ".svg": "image/svg+xml"}


def content_security_policy(get_response: Callable[[HttpRequest], HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """Middleware that lets the page run only its own scripts, and call only the two services.

    An injected script could use the tokens, wherever they are kept. So it must not get in, and nothing must get out.
    """
    policy = "; ".join(
        [
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "img-src 'self'",
            f"connect-src 'self' {settings.ISSUER} {settings.STOCK_URL}",
            "base-uri 'none'",
            "form-action 'none'",  # a script sends the forms; without it, no password must end up in a URL
            "frame-ancestors 'none'",
            "require-trusted-types-for 'script'",
            "trusted-types 'none'",
        ]
    )

    def middleware(request: HttpRequest) -> HttpResponseBase:
        response = get_response(request)
        response["Content-Security-Policy"] = policy
        response["Cache-Control"] = "no-cache"
        return response

    return middleware


def index(request: HttpRequest) -> HttpResponseBase:
    """Serve the page, at the only address that the services allow."""
    if request.build_absolute_uri("/") != f"{settings.PAGE_URL}/":
        return HttpResponseRedirect(f"{settings.PAGE_URL}/")
    return file(request, "index.html")


def file(request: HttpRequest, name: str) -> HttpResponseBase:
    """Serve one of the files: of the page, or the client module, which comes with the library."""
    path = {file.name: file for file in (CLIENT, *FILES.iterdir())}.get(name)
    if path is None:
        raise Http404
    return HttpResponse(path.read_bytes(), content_type=f"{CONTENT_TYPES[path.suffix]}; charset=utf-8")


def config(request: HttpRequest) -> JsonResponse:
    """Tell the page where the services are, and which users it can offer for sign-in."""
    return JsonResponse({"issuer": settings.ISSUER, "stock": settings.STOCK_URL, "accounts": settings.ACCOUNTS})
