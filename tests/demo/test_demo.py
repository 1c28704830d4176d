"""``manage.py demo`` serves the example project."""

import json
import re
import signal

import pytest

from tests.tools.demo import broken, get, is_taken, read, serving, wait_until_ended

# Each test starts three servers.
pytestmark = pytest.mark.long


def test_demo_serves_until_ctrl_c_and_again(environment, tmp_path):
    for _ in range(2):
        with serving(environment, tmp_path) as demo:
            port, stock_port, page_port, text = demo.port, demo.stock_port, demo.page_port, demo.said.read_text()
            addresses = set(re.findall(rf"http://127\.0\.0\.1:{port}(/\S*)", text))
            assert addresses >= {"/", "/admin/", "/api/orders/", "/api/auth/token/", "/api/auth/logout/all/"}
            assert {get(port, path) for path in addresses} <= {200, 302, 401, 405}
            assert get(port, "/static/admin/css/base.css") == 200
            addresses = set(re.findall(rf"http://127\.0\.0\.1:{stock_port}(/\S*)", text))
            assert addresses == {"/", "/api/stock/", "/api/stock/tea/"}
            assert {path: get(stock_port, path) for path in addresses} == {
                "/": 200,
                "/api/stock/": 401,
                "/api/stock/tea/": 401,
            }
            # Both agree on where the tokens come from, and people are shown where both are.
            issuer = f"http://127.0.0.1:{port}"
            metadata = json.loads(read(port, "/.well-known/oauth-authorization-server")[1])
            assert (metadata["issuer"], metadata["jwks_uri"]) == (issuer, f"{issuer}/.well-known/jwks.json")
            assert json.loads(read(stock_port, "/")[1])["accepts_tokens_of"] == issuer
            assert f'href="http://127.0.0.1:{stock_port}/"'.encode() in read(port, "/")[1]
            assert f'href="http://127.0.0.1:{page_port}/"'.encode() in read(port, "/")[1]
            assert f"http://127.0.0.1:{page_port}/\n" in text
            config = json.loads(read(page_port, "/config.json")[1])
            assert (config["issuer"], config["stock"]) == (issuer, f"http://127.0.0.1:{stock_port}")
            assert [account["username"] for account in config["accounts"]] == ["ada", "mary", "admin"]
            demo.process.send_signal(signal.SIGINT)
            assert demo.process.wait(60) == 0
            assert not is_taken(stock_port)
            assert not is_taken(page_port)
            assert "\nThe demo has ended.\n" in demo.said.read_text()
            assert "Traceback" not in demo.said.read_text()


@pytest.mark.parametrize(
    ("number", "status"),
    [
        pytest.param(signal.SIGTERM, 128 + signal.SIGTERM, id="terminated"),
        pytest.param(signal.SIGKILL, -signal.SIGKILL, id="killed"),
    ],
)
def test_stock_service_and_page_end_with_the_demo(environment, tmp_path, number, status):
    with serving(environment, tmp_path) as demo:
        demo.process.send_signal(number)
        assert demo.process.wait(60) == status
        wait_until_ended(demo.stock_port)
        wait_until_ended(demo.page_port)


DIES = """
import threading, time
from pathlib import Path
def die():
    while not Path({path!r}).exists():
        time.sleep(0.05)
    os._exit(7)
threading.Thread(target=die, daemon=True).start()
"""


def test_demo_ends_with_the_stock_service_and_says_so(environment, tmp_path):
    sign = tmp_path / "die"
    with serving(broken(environment, tmp_path, stock=DIES.format(path=str(sign))), tmp_path) as demo:
        sign.touch()
        assert demo.process.wait(60) == 1
        assert not is_taken(demo.port)
        assert not is_taken(demo.page_port)
        assert demo.said.read_text().endswith("The stock service exited with 7, so the demo ends.\n")
