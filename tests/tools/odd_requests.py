"""Odd headers and bodies, as they are sent to any endpoint."""

# By what they are: the header, with the place of the token; and the status of a view that needs a token.
HEADERS = {
    "as usual": ("Bearer {}", 200),
    "lower case": ("bearer {}", 200),
    "upper case": ("BEARER {}", 200),
    "two spaces": ("Bearer  {}", 200),  # RFC 9110 section 11.4: 1*SP
    "tab": ("Bearer\t{}", 401),
    "no space": ("Bearer{}", 401),
    "colon": ("Bearer: {}", 401),
    "no scheme": ("{}", 401),
    "Basic": ("Basic {}", 401),
    "Token": ("Token {}", 401),
    "scheme only": ("Bearer", 401),
    "scheme and space": ("Bearer ", 401),
    "twice in a list": ("Bearer {0}, Bearer {0}", 401),
    "comma": ("Bearer {0},{0}", 401),
    "two tokens": ("Bearer {0} {0}", 401),
    "token, then scheme": ("{} Bearer", 401),
    "quoted": ('Bearer "{}"', 401),
    "parameter": ("Bearer token={}", 401),
    "latin-1": ("Bearer {}é", 401),
    "UTF-8": ("Bearer {}" + "é€".encode().decode("latin-1"), 401),
    "no latin-1": ("Bearer {}€", 401),
    "lone surrogate": ("Bearer {}\ud800", 401),
    "NUL": ("Bearer {}\x00", 401),
    "newline": ("Bearer {}\n", 401),
    "second header": ("Bearer {}\r\nX-User: 1", 401),
    "no-break space": ("Bearer\xa0{}", 401),
}

CHARSETS = ["hex", "base64", "rot13", "zlib", "bz2", "uu", "quopri", "utf-16", "utf-32", "utf-7", "idna", "punycode"]
CHARSETS += ["undefined", "unicode_escape", "raw_unicode_escape", "no-such", "x" * 300, "", "cp037", "\u00e9"]
DEEP = {
    "lists": b"[" * 100_000 + b"]" * 100_000,
    "cut off": b"[" * 100_000,
    "objects": b'{"refresh":' * 100_000 + b"1" + b"}" * 100_000,
    "in a member": b'{"username":"ada","password":"x","token":"x","refresh":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
}
ODD = {
    **DEEP,
    "empty": b"",
    "null": b"null",
    "list": b"[]",
    "text": b'"refresh"',
    "number": b"1",
    "digits": b'{"refresh":' + b"9" * 5000 + b"}",
    "NaN": b'{"refresh":NaN,"token":Infinity,"username":NaN,"password":1e999}',
    "1e999": b'{"refresh":1e999,"token":1e999,"username":1e999,"password":1e999}',
    "lone surrogate": b'{"refresh":"\\ud800","token":"\\ud800","username":"\\ud800","password":"\\ud800"}',
    "NUL": b'{"refresh":"a\\u0000","token":"\\u0000","username":"a\\u0000","password":"\\u0000"}',
    "types": b'{"refresh":{"a":1},"token":[1],"username":true,"password":null}',
    "no UTF-8": b'{"refresh":"\xff","token":"\xff","username":"\xff","password":"\xff"}',
    "percent": b"refresh=%FF%00&token=%ED%A0%80&username=%FF&password=%",
    "many fields": b"a=1&" * 2000,
    "multipart": b'--x\r\nContent-Disposition: form-data; name="refresh"; filename="a"\r\n\r\n\xff\r\n--x--\r\n',
    "multipart, cut off": b'--x\r\nContent-Disposition: form-data; name="refresh"\r\nContent-Length: -1',
}
TYPES = ("application/json", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x")
