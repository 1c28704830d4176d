"""A browser, as far as cookies go: it keeps and sends them by the rules of RFC 6265bis section 5."""

from rest_framework.test import APIClient

RIGHT = {"username": "ada", "password": "correct horse"}
ACCESS, REFRESH = "__Host-jwtauth-access", "__Secure-jwtauth-refresh"


class Browser:
    """Shows a page that calls the API, by default one of the API's own origin."""

    def __init__(self, *, host="api.example.com", scheme="https", origin="", mount="/auth", **environ):
        self.client = APIClient(enforce_csrf_checks=True)
        self.host = host
        self.scheme = scheme
        self.origin = origin or f"{scheme}://{host}"
        """The origin of the page."""
        self.mount = mount
        self.environ = environ
        self.jar = {}
        """Cookies by name, domain (empty for this host only) and path."""
        self.csrf_token = ""

    def cookie(self, name):
        """Return the one cookie of this name as it was set, or None."""
        found = [morsel for (kept, _, _), morsel in self.jar.items() if kept == name]
        assert len(found) < 2
        return found[0] if found else None

    def value(self, name):
        return self.cookie(name).value

    def cookies_for(self, path, *, cross_site=False):
        """Return the header that goes with a request that changes something."""
        return "; ".join(
            f"{name}={morsel.coded_value}"
            for (name, _, _), morsel in sorted(self.jar.items(), key=lambda item: -len(item[0][2]))
            if matches(path, morsel["path"])
            and (not morsel["secure"] or self.scheme == "https")
            and (not cross_site or morsel["samesite"] == "None")
        )

    def send(self, method, path, data=None, *, headers=None, cross_site=False, csrf=True, format="json"):
        """Send a request as a page's script would, with the CSRF token if there is one.

        Args:
            method: The method.
            path: The path, with SCRIPT_NAME.
            data: The body.
            headers: To be changed; None leaves one out.
            cross_site: Whether the page is of another site.
            csrf: Whether to send the CSRF token.
            format: Of the body.
        """
        unsafe = method not in ("GET", "HEAD", "OPTIONS")
        sent = {
            "Cookie": self.cookies_for(path, cross_site=cross_site),
            "Origin": self.origin if unsafe or not self.origin.endswith(f"//{self.host}") else None,
            "X-CSRFToken": self.csrf_token if unsafe and csrf else None,
            **(headers or {}),
        }
        body = {"data": data, "format": format} if unsafe else {}
        response = getattr(self.client, method.lower())(
            path.removeprefix(self.environ.get("SCRIPT_NAME", "")),
            headers={name: value for name, value in sent.items() if value},
            secure=self.scheme == "https",
            SERVER_NAME=self.host,
            **body,
            **self.environ,
        )
        self.client.cookies.clear()
        for morsel in response.cookies.values():
            self.keep(morsel)
        return response

    def keep(self, morsel):
        """Store a cookie, or fail if no browser would."""
        name = morsel.key.lower()
        assert not morsel["secure"] or self.scheme == "https", morsel
        assert morsel["secure"] or (morsel["samesite"] != "None" and not name.startswith(("__host-", "__secure-")))
        assert not name.startswith("__host-") or (morsel["path"] == "/" and not morsel["domain"]), morsel
        assert f".{self.host}".endswith(f".{morsel['domain'].lstrip('.')}") or not morsel["domain"], morsel
        key = (morsel.key, morsel["domain"].lstrip("."), morsel["path"])
        self.jar.pop(key, None)
        if morsel["max-age"] != 0:
            self.jar[key] = morsel

    def get_csrf_token(self):
        response = self.send("GET", f"{self.mount}/browser/csrf/")
        assert response.status_code == 200, response.content
        self.csrf_token = response.json()["csrf_token"]

    def sign_in(self, **changes):
        """Sign in as a page does: first the CSRF token, then the credentials."""
        self.get_csrf_token()
        response = self.send("POST", f"{self.mount}/browser/login/", {**RIGHT, **changes})
        if response.status_code == 200:
            self.csrf_token = response.json()["csrf_token"]
        return response

    def refresh(self, data=None, **changes):
        return self.send("POST", f"{self.mount}/browser/refresh/", data, **changes)

    def log_out(self, **changes):
        return self.send("POST", f"{self.mount}/browser/logout/", **changes)


def matches(path, cookie_path):
    """Tell whether a cookie with a path is sent to another path (section 5.1.4)."""
    return path == cookie_path or path.startswith(f"{cookie_path.rstrip('/')}/")
