"""The client of the page "A mobile client" keeps its user signed in, whatever happens on the way."""

import os
import re
import subprocess
from pathlib import Path

from tests.tools.docs import page

from .issuers import Issuer

HERE = Path(__file__).parent
GRACE_PERIOD = 4


def test_the_use_of_the_page_is_a_module_that_imports_what_there_is(tmp_path):
    (block,) = re.findall(r"^```js\n(.*?)^```$", page("docs/howto-mobile.md"), re.MULTILINE | re.DOTALL)
    (tmp_path / "use.mjs").write_text(block)
    subprocess.run(["node", "--check", "use.mjs"], cwd=tmp_path, check=True, timeout=60)
    (imported,) = re.findall(r'import \{ (.*) \} from "\./mobile\.mjs"', block)
    exported = re.findall(r"^export (?:class|function) (\w+)", (HERE / "mobile.mjs").read_text(), re.MULTILINE)
    assert sorted(imported.split(", ")) == sorted(exported)


def test_the_client_of_the_page(tmp_path):
    throttles = {"refresh": None, "login": None, "login_address": None}
    periods = {"REFRESH_GRACE_PERIOD": GRACE_PERIOD, "REFRESH_RETRY_PERIOD": 3600}
    with Issuer(tmp_path, "ES256", **periods, THROTTLE_RATES=throttles) as issuer:
        done = subprocess.run(
            ["node", "--test", "--test-reporter=tap", "mobile.test.mjs"],
            cwd=HERE,
            env={**os.environ, "ISSUER": issuer.url, "GRACE_PERIOD": str(GRACE_PERIOD)},
            capture_output=True,
            text=True,
            timeout=300,
        )
    assert done.returncode == 0, done.stdout + done.stderr
    assert int(re.search(r"^# pass (\d+)$", done.stdout, re.MULTILINE)[1]) == 9
