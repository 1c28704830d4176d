"""What several tests share: one module for each idea. Nothing is imported from a test file, or from a conftest."""

import pkgutil

import pytest

# So that their assertions say what they compared.
pytest.register_assert_rewrite(*(f"{__name__}.{module.name}" for module in pkgutil.iter_modules(__path__)))
