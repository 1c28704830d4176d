"""Files for what only their owner may read: keys and tokens."""

import contextlib
import io
import os
from collections.abc import Iterator

from django.core.management.base import CommandError


@contextlib.contextmanager
def new_private_file(path: str) -> Iterator[io.FileIO]:
    """Open a new file that only its owner can read (mode 0600), and delete it again if anything fails.

    Args:
        path: Where; there must be no file yet.

    Yields:
        The file, unbuffered, so that a failure to write is known at once.

    Raises:
        CommandError: if the file cannot be created.
    """
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise CommandError(f"{path} cannot be written: {error.strerror}") from None
    try:
        with io.FileIO(descriptor, "w") as file:
            yield file
    except BaseException:
        os.unlink(path)
        raise


def write_all(file: io.FileIO, text: str) -> None:
    """Write a text to an unbuffered file.

    Raises:
        OSError: if not all of it can be written.
    """
    rest = text.encode()
    while rest:  # a disk that is nearly full takes a part
        rest = rest[file.write(rest) :]
