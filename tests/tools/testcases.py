"""Test cases of Django, run by its own runner's means."""

import io
import unittest


def failures(cls):
    """Run the tests of a class one after the other, and return the texts of what has failed."""
    suite = unittest.defaultTestLoader.loadTestsFromTestCase(cls)
    result = unittest.TextTestRunner(stream=io.StringIO()).run(suite)
    assert result.testsRun
    return [text for _, text in (*result.failures, *result.errors)]
