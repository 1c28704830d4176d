"""nginx and Apache, as the documentation configures them: processes of their own, not the machine's."""

import datetime
import os
import re
import shutil
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.tools.docs import page, section

from .apache import MODULES, PAGE, PORT_TAKEN, USER, free_port, listens, program

HOST = "auth.example.com"
BLOCK = re.compile(r"^```(?:nginx|apache)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
NGINX = """\
daemon off;
pid DIRECTORY/pid;
error_log stderr;
events {}
http {
    access_log off;
    client_body_temp_path DIRECTORY/body;
    proxy_temp_path DIRECTORY/proxy;
    fastcgi_temp_path DIRECTORY/fastcgi;
    uwsgi_temp_path DIRECTORY/uwsgi;
    scgi_temp_path DIRECTORY/scgi;
    BLOCK
}
"""
APACHE = """\
ServerName 127.0.0.1
Listen 127.0.0.1:PORT
ServerRoot "DIRECTORY"
DefaultRuntimeDir "DIRECTORY"
PidFile "DIRECTORY/pid"
ErrorLog "/dev/stderr"
DocumentRoot "DIRECTORY"
LoadModule mpm_event_module MODULES/mod_mpm_event.so
LoadModule authz_core_module MODULES/mod_authz_core.so
"""
LOADED = ("socache_shmcb", "ssl", "headers", "proxy", "proxy_http")


def block(heading, name="docs/howto-proxies.md"):
    """Return the configuration that a page has below a heading."""
    (found,) = BLOCK.findall(section(page(name), heading))
    return found


def certificate(directory):
    """Write a certificate and its key, for the host of the page."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, HOST)])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder(subject_name=name, issuer_name=name, public_key=key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(HOST)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    (directory / "certificate").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private = serialization.PrivateFormat.PKCS8
    plain = serialization.NoEncryption()
    (directory / "key").write_bytes(key.private_bytes(serialization.Encoding.PEM, private, plain))


def changed(text, *changes):
    """Return a text with some words in place of others, each of which it has."""
    for printed, here in changes:
        assert printed in text, printed
        text = text.replace(printed, str(here))
    return text


def nginx(directory, port, upstream):
    """Return the command, and write its configuration."""
    here = changed(
        block("## nginx"),
        ("listen 443 ssl", f"listen 127.0.0.1:{port} ssl"),
        (f"/etc/ssl/{HOST}.pem", directory / "certificate"),
        (f"/etc/ssl/{HOST}.key", directory / "key"),
        ("/var/cache/nginx/jwtauth", directory / "cache"),
        ("127.0.0.1:8000", upstream),
    )
    return _nginx_command(directory, here)


def nginx_that_asks(directory, port, upstream):
    """Return the command, and write its configuration: it asks the issuer about each token, in front of a file."""
    (directory / "page.txt").write_text(PAGE)
    asking = changed(
        block("## nginx", "docs/services-languages.md"), ("https://auth.example.com", f"http://{upstream}")
    )
    return _nginx_command(directory, f"server {{ listen 127.0.0.1:{port}; root {directory}; {asking} }}")


def _nginx_command(directory, here):
    user = "user root;\n" if os.geteuid() == 0 else ""  # its worker writes to the directories of the test
    (directory / "conf").write_text(user + changed(NGINX, ("DIRECTORY", directory), ("BLOCK", here)))
    found = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    assert found, "Install the Debian package nginx."
    return [found, "-c", directory / "conf", "-e", "stderr"]


def apache(directory, port, upstream):
    """Return the command, and write its configuration."""
    here = changed(
        block("## Apache as a proxy"),
        ("*:443", f"127.0.0.1:{port}"),
        (f"/etc/ssl/{HOST}.pem", directory / "certificate"),
        (f"/etc/ssl/{HOST}.key", directory / "key"),
        ("127.0.0.1:8000", upstream),
    )
    return _apache_command(directory, port, LOADED, here)


def mod_wsgi(directory, port, upstream, *, left_out=""):
    """Return the command, and write its configuration: the block of the page, around an application that echoes."""
    (directory / "project").mkdir()
    (directory / "project" / "wsgi.py").write_text(ECHO)
    here = changed(
        block("## Apache with mod_wsgi"),
        ("processes=4 threads=8 python-home=/srv/shop/.venv python-path=/srv/shop", "processes=1 threads=2"),
        ("/srv/shop", directory),
        (left_out, ""),
    )
    return _apache_command(directory, port, ["wsgi"], here)


ECHO = """
def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [environ.get("HTTP_AUTHORIZATION", "nothing").encode()]
"""


def _apache_command(directory, port, loaded, here):
    given = [("PORT", port), ("DIRECTORY", directory), ("MODULES", MODULES)]
    modules = "".join(f"LoadModule {name}_module {MODULES}/mod_{name}.so\n" for name in loaded)
    user = USER if os.geteuid() == 0 else ""
    (directory / "conf").write_text(changed(APACHE, *given) + modules + user + here)
    return [program(), "-f", directory / "conf", "-DFOREGROUND"]


@contextmanager
def serving(configure, upstream="", **options):
    """Run a web server, and yield its port and its certificate.

    Args:
        configure: One of the functions above.
        upstream: Address and port of the issuer behind it.
        options: Passed on to the function.
    """
    # Not below the directory of the tests, where another user could not read.
    with tempfile.TemporaryDirectory(prefix="jwtauth-interop-") as name:
        directory = Path(name)
        directory.chmod(0o755)
        certificate(directory)
        process, port = _start(directory, configure, upstream, options)
        try:
            yield port, directory / "certificate"
        finally:
            process.terminate()
            try:
                process.wait(timeout=30)
            finally:
                process.kill()


def _start(directory, configure, upstream, options):
    for number in range(10):
        # They cannot be given port 0. Another process may be quicker to take the port: then another one.
        own = directory / str(number)
        shutil.copytree(directory, own, ignore=shutil.ignore_patterns("[0-9]"))
        port = free_port()
        with (own / "said").open("w") as said:
            process = subprocess.Popen(configure(own, port, upstream, **options), stdout=said, stderr=said)
        if listens(process, port):
            return process, port
        told = (own / "said").read_text()
        assert PORT_TAKEN in told or "Address already in use" in told, told
    raise AssertionError("All ports are taken.")
