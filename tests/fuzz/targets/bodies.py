"""Bodies of a request to each endpoint, and their types; the other headers are good ones."""

from tests.fuzz.requests import ENDPOINTS, chosen, name_of, type_of, world
from tests.fuzz.target import Target, joined, parts
from tests.tools.odd_requests import CHARSETS, ODD, TYPES

LONGEST = 16_384
TAKES_A_BODY = [endpoint for endpoint in ENDPOINTS if endpoint.method in ("POST", "DELETE")]
JSON, FORM, MULTIPART = TYPES
GRANTS = [
    "grant_type=password&username=ada&password=<password>",
    "grant_type=refresh_token&refresh_token=<refresh>&scope=a%20b&resource=https://a.example",
    "grant_type=password&grant_type=x&username=\u200bada&password=<password>&client_id=a&client_secret=b",
    "username=ada&password=<password>&resource=a&resource=b&csrfmiddlewaretoken=<csrf>",
]
FORMS = [
    '--x\r\nContent-Disposition: form-data; name="refresh"\r\n\r\n<refresh>\r\n--x--\r\n',
    '--x\r\nContent-Disposition: form-data; name="username"\r\n\r\nada\r\n'
    '--x\r\nContent-Disposition: form-data; name="password"\r\n\r\n<password>\r\n--x--\r\n',
    "--x\r\nContent-Disposition: form-data; name*=utf-8''token; filename=a\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    "!\r\n--x--\r\n",
]


def seeds():
    """Return good bodies, and odd ones, for each endpoint."""
    names = {endpoint.path: name_of(number) for number, endpoint in enumerate(TAKES_A_BODY)}
    for endpoint in TAKES_A_BODY:
        yield joined(names[endpoint.path], type_of(endpoint.body), endpoint.body)
    that_read = [names[endpoint.path] for endpoint in TAKES_A_BODY if endpoint.body]
    for index, body in enumerate(ODD.values()):
        for kind in TYPES:
            yield joined(that_read[index % len(that_read)], kind, body[:LONGEST])
    for body in GRANTS:
        yield joined(names["/auth/token/"], FORM, body)
        yield joined(names["/auth/browser/login/"], FORM, body)
    for index, body in enumerate(FORMS):
        for name in that_read[index::2]:
            yield joined(name, MULTIPART, body)
    for charset in CHARSETS:
        for kind in TYPES:
            yield joined(names["/auth/token/refresh/"], f"{kind}; charset={charset}", '{"refresh": "<refresh>"}')


def check(data):
    """No body lets anybody in who has no secret, and none breaks an endpoint."""
    name, kind, body = parts(data, 3)
    endpoint = chosen(name, TAKES_A_BODY)
    world().send(endpoint, headers=endpoint.headers, content_type=kind.decode("latin-1"), body=body)


TARGET = Target(
    name="bodies",
    check=check,
    seeds=seeds,
    words=(
        *(*TYPES, "; charset=", "username", "password", "refresh", "token", "token_type_hint", "scope", "resource"),
        *("grant_type", "refresh_token", "csrfmiddlewaretoken", "<password>", "<refresh>", "<access>", "<csrf>"),
        *("<cookie-access>", "<cookie-refresh>", "ada", "Content-Disposition: form-data; name=", "filename=", "%00"),
    ),
    max_length=LONGEST + 200,
    runs=1500,
)
