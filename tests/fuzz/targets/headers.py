"""Headers of a request to each endpoint, and its query; the body is a good one."""

from tests.fuzz.requests import ENDPOINTS, chosen, name_of, type_of, world
from tests.fuzz.target import Target, joined, parts
from tests.tools.odd_requests import CHARSETS, HEADERS

ODD_HEADERS = [
    "Authorization: DPoP <access>\nDPoP: e30.e30.AA",
    "Authorization: Bearer <access>\nAuthorization: Bearer <access>",
    "Authorization: Basic YWRhOngg\nAuthorization: Bearer <access>",
    "Cookie: __Host-jwtauth-access=<cookie-access>; __Host-jwtauth-access=x",
    'Cookie: __Host-jwtauth-access="<cookie-access>"; a;=;; =b; csrftoken=\\073',
    "Cookie: __Secure-jwtauth-refresh=<cookie-refresh>\nOrigin: null\nReferer: http://[::1",
    "Cookie: \xa0__Host-jwtauth-access=<cookie-access>",
    "X-Forwarded-For: 203.0.113.7, [2001:db8::7]:443, unknown\nUser-Agent: \xe9\x85\x00 Firefox/1 Android",
    'Forwarded: for="[2001:db8::7]:_x";proto=http, for="\\\\"; by=_a, for=',
    "X-Request-Start: t=1700000000.123456789\nAccept: text/html;q=0.9, */*;q=x\nAccept-Language: \xff",
    "Accept: application/json; indent=9999999999\nAccept-Encoding: gzip",
    "Host: [::1\nX-Forwarded-Host: a\nX-CSRFToken: \xff\nOrigin: https://\xff",
    "Content-Length: -1\nTransfer-Encoding: chunked\nContent-Type: multipart/form-data; boundary=\xff",
    'If-None-Match: W/"", *, "\xff\nIf-Modified-Since: Mon, 99 Foo 9999999 99:99:99 GMT',
    "X-HTTP-Method-Override: DELETE\nX-Requested-With: XMLHttpRequest",
]
QUERIES = ["page=-1&page_size=1e9", "format=api&page=\xff&token=<access>", "%ff=%00&page=%", "page=9" + "9" * 30]


def seeds():
    """Return good headers, odd ones, and odd queries."""
    names = [name_of(number) for number in range(len(ENDPOINTS))]
    for name, endpoint in zip(names, ENDPOINTS, strict=True):
        yield joined(name, "", endpoint.headers)
        yield joined(name, "", "")
        for query in QUERIES:
            yield joined(name, query, endpoint.headers)
    reading = [name for name, endpoint in zip(names, ENDPOINTS, strict=True) if not endpoint.path.startswith("/auth/")]
    for index, (form, _) in enumerate(HEADERS.values()):
        yield joined(reading[index % len(reading)], "", f"Authorization: {form.format('<access>')}")
    for index, text in enumerate(ODD_HEADERS):
        for name in names[index % 3 :: 3]:
            yield joined(name, "", text)
    for charset in CHARSETS:
        yield joined(names[0], "", f"Content-Type: application/json; charset={charset}")


def check(data):
    """No header lets anybody in who has no secret, and none breaks an endpoint."""
    name, query, headers = parts(data, 3)
    endpoint = chosen(name, ENDPOINTS)
    world().send(
        endpoint,
        query=query.decode("latin-1"),
        headers=headers.decode("latin-1"),
        content_type=type_of(endpoint.body),
        body=endpoint.body.encode(),
    )


NAMES = ("Authorization: ", "Bearer ", "DPoP", "Cookie: ", "X-Forwarded-For: ", "Forwarded: ", "User-Agent: ")
TARGET = Target(
    name="headers",
    check=check,
    seeds=seeds,
    words=(
        *(*NAMES, "X-Request-Start: ", "X-CSRFToken: ", "Origin: ", "Referer: ", "Accept: ", "Content-Type: "),
        *("<access>", "<cookie-access>", "<refresh>", "<csrf>", "__Host-jwtauth-access=", "csrftoken=", "Host: "),
        *("__Secure-jwtauth-refresh=", "for=", "page=", "page_size=", "format=", "If-None-Match: ", "; charset="),
    ),
    max_length=4096,
    runs=1500,
)
