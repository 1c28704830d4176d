"""Which verifiers take our tokens: the tests prove it, and the documentation shows it."""

from dataclasses import dataclass

ALGORITHMS = ("RS256", "ES256", "EdDSA")


@dataclass(frozen=True, slots=True, kw_only=True)
class Verifier:
    """What is known of one."""

    packages: dict[str, str]
    """Those it consists of, with the version that is tested, as far as that is fixed."""
    source: str
    finds_keys: bool = False
    """Whether it reads our metadata; others must be given the URL of the key set."""
    checks_typ: str
    """Whether it refuses other tokens of ours: ``yes``, ``in the how-to`` where we add it, or ``no``."""
    unknown: tuple[str, ...] = ()
    """Algorithms it does not know, or does not allow."""
    says: str = ""
    """How it refuses a token of those."""


BY_HAND = "in the how-to"
VERIFIERS = {
    "jose": Verifier(packages={"jose": "6"}, source="npm", checks_typ="yes"),
    "oauth4webapi": Verifier(packages={"oauth4webapi": "3"}, source="npm", finds_keys=True, checks_typ="yes"),
    "jsonwebtoken": Verifier(
        packages={"jsonwebtoken": "9", "jwks-rsa": "4"},
        source="npm",
        checks_typ=BY_HAND,
        unknown=("EdDSA",),
        says="Unknown key type",
    ),
    "express": Verifier(packages={"express-oauth2-jwt-bearer": "1"}, source="npm", finds_keys=True, checks_typ="yes"),
    "joserfc": Verifier(packages={"joserfc": "1"}, source="PyPI", checks_typ=BY_HAND),
    "jwcrypto": Verifier(packages={"jwcrypto": "1"}, source="PyPI", checks_typ=BY_HAND),
    "authlib": Verifier(
        packages={"authlib": "1"}, source="PyPI", checks_typ="yes", unknown=("EdDSA",), says="not recommended"
    ),
    "apache": Verifier(
        packages={"libapache2-mod-oauth2": "3"},
        source="Debian",
        checks_typ="no",
        unknown=("EdDSA",),
        says="could not be verified",
    ),
}


def markdown():
    """Return the table of the documentation."""
    head = ["verifier", "from", *ALGORITHMS, "finds our keys itself", "checks `typ`"]
    rows = [head, ["---"] * len(head)]
    for verifier in VERIFIERS.values():
        rows.append(
            [
                " + ".join(f"`{name}` {version}" for name, version in verifier.packages.items()),
                verifier.source,
                *("no" if algorithm in verifier.unknown else "yes" for algorithm in ALGORITHMS),
                "yes" if verifier.finds_keys else "no",
                verifier.checks_typ,
            ]
        )
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)
