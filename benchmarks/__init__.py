"""What the documentation says about speed, size and delay, measured: ``python -m benchmarks``, or ``tox -e bench``."""
