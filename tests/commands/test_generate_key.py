"""``manage.py jwtauth_generate_key``."""

import io
import os
import resource
import signal
import stat

import pytest
from django.core.management import CommandError, call_command

from django_jwtauth.keys import HMAC_BYTES, SUPPORTED_ALGORITHMS, Key

ASYMMETRIC = [alg for alg in SUPPORTED_ALGORITHMS if alg not in HMAC_BYTES]


def generate(*args):
    out = io.StringIO()
    call_command("jwtauth_generate_key", *args, stdout=out)
    return out.getvalue()


# Algorithms with keys of the same kind. An RSA key takes long to make.
SIBLINGS = {"RS384", "RS512", "PS256", "PS384", "PS512"}


@pytest.mark.parametrize("alg", [pytest.param(alg, marks=[pytest.mark.long] * (alg in SIBLINGS)) for alg in ASYMMETRIC])
def test_a_printed_key_loads_back_and_signs(alg):
    text = generate("--alg", alg)
    key = Key.load({"alg": alg, "pem": text})
    assert key.verify(b"message", key.sign(b"message"))
    assert text.startswith("-----BEGIN PRIVATE KEY-----\n")
    assert text.endswith("-----END PRIVATE KEY-----\n")


def test_es256_is_the_default():
    assert Key.load({"alg": "ES256", "pem": generate()}).alg == "ES256"


def test_a_written_key_is_its_owners_only_and_is_not_shown(tmp_path):
    path = tmp_path / "key.pem"
    umask = os.umask(0)
    try:
        shown = generate("--output", str(path), "--alg", "EdDSA")
    finally:
        os.umask(umask)
    key = Key.load({"alg": "EdDSA", "file": path})
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert key.kid in shown
    assert str(path) in shown
    assert "PRIVATE" not in shown


def test_nothing_is_ever_overwritten_not_even_through_a_link(tmp_path):
    path, link = tmp_path / "key.pem", tmp_path / "link.pem"
    path.write_text("in use")
    link.symlink_to(tmp_path / "elsewhere.pem")
    for output in (path, link, tmp_path):
        with pytest.raises(CommandError, match="cannot be written"):
            generate("--output", str(output))
    assert path.read_text() == "in use"
    assert not (tmp_path / "elsewhere.pem").exists()


def test_a_missing_directory_is_said(tmp_path):
    with pytest.raises(CommandError, match="No such file"):
        generate("--output", str(tmp_path / "missing" / "key.pem"))


@pytest.mark.parametrize("alg", ["HS256", "none", "ES521", "es256"])
def test_only_asymmetric_algorithms_are_offered(alg):
    with pytest.raises(CommandError, match="invalid choice"):
        generate("--alg", alg)


def test_a_file_that_cannot_hold_the_key_is_an_error_and_deleted(tmp_path):
    """The file cannot grow beyond a hundred bytes, as on a disk that is nearly full."""
    path = tmp_path / "key.pem"
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # then the write itself fails
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, limits[1]))
    try:
        with pytest.raises(CommandError, match=r"key\.pem cannot be written: File too large"):
            generate("--output", str(path))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert not path.exists()
