"""The demo's own signing key: generated when it is first needed, and kept in a file."""

import os
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from django_jwtauth.keys import Key


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyFile:
    """The path of a key file that is created when it is first opened, so that no setup is needed.

    This is for a demo. In production, generate the key with ``manage.py jwtauth_generate_key``, and keep it safe.
    """

    path: Path
    alg: str = "ES256"

    def __fspath__(self) -> str:
        if not self.path.exists():
            self._make()
        return str(self.path)

    def _make(self) -> None:
        """Write the complete file atomically; only its owner may read it."""
        descriptor, name = tempfile.mkstemp(prefix=f"{self.path.name}.", dir=self.path.parent)  # mode 0600
        try:
            with os.fdopen(descriptor, "w") as file:
                file.write(Key.generate(self.alg).private_pem())
            with suppress(FileExistsError):  # another process was faster, so its key is used
                os.link(name, self.path)
        finally:
            os.unlink(name)
