"""Whatever JSON can hold that every language reads the same: for tests that try it all."""

from hypothesis import strategies as st

from django_jwtauth._core.custom_claims import MAX_INTEGER, is_registered

# What objects have of themselves in JavaScript or Python, and what looks like syntax.
ODD_NAMES = [
    *("__proto__", "constructor", "prototype", "toString", "hasOwnProperty", "length", "then", "toJSON"),
    *("__class__", "__dict__", "token", "pk", "id", "issuer", "claims", "is_staff", "is_active", "groups", "has_perm"),
    *("https://example.com/claims/sub", "a.b", "$ref", "\u2028", "\x00", "🌍", "é", "e\u0301", " ", "0", "-1", "null"),
]
names = st.sampled_from(ODD_NAMES) | st.text(min_size=1, max_size=20)
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-MAX_INTEGER, MAX_INTEGER)
    | st.sampled_from([MAX_INTEGER, -MAX_INTEGER, 0.1, -0.0, 1.0, 1e22, 5e-324, 1.7976931348623157e308])
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names | st.just(""), inner, max_size=4),
    max_leaves=20,
)
claims = st.dictionaries(names.filter(lambda name: not is_registered(name)), values, max_size=5)


def same(one, other, *, exactly=True):
    """Tell whether two values are the same JSON: ``1`` is not ``true``.

    Args:
        one: A value.
        other: Another one.
        exactly: Whether ``1`` and ``1.0`` are two values, as in Python; in JavaScript all numbers are doubles.
    """
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[name], other[name], exactly=exactly) for name in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(same(*pair, exactly=exactly) for pair in zip(one, other, strict=True))
    numbers = type(one) in (int, float) and type(other) in (int, float)
    if numbers and not exactly:
        return float(one) == float(other)
    return type(one) is type(other) and one == other
