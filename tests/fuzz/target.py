"""What is fuzzed: a function that is given any bytes, and the rules that hold for each of them."""

import resource
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

SEPARATOR = b"\x1e"
"""Between the parts of an input. It is in no valid JSON, and in no valid header."""


class BrokenRuleError(Exception):
    """An input did what no input may do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Something that reads what strangers send."""

    name: str
    check: Callable[[bytes], None]
    """Is given an input, and raises any exception if a rule is broken."""
    seeds: Callable[[], Iterable[bytes]]
    """Returns inputs to begin with."""
    words: tuple[str, ...] = ()
    """What an input may be made of."""
    max_length: int = 4096
    """Of an input, in bytes."""
    runs: int = 3000
    """How many inputs the short form tries."""
    seconds: float = 3.0
    """How much processor time one input may take. Nearly all take a millisecond."""
    mebibytes: int = 64
    """By how much one input may raise the memory of the process. Bodies take fifty times their size."""

    def __call__(self, data: bytes) -> None:
        """Try an input, within the limits of time and memory.

        Raises:
            BrokenRuleError: if it breaks a rule. Any other exception is one that should not have left the library.
        """
        memory, began = peak(), time.process_time()
        self.check(data)
        seconds, grown = time.process_time() - began, peak() - memory
        if seconds > self.seconds:
            raise BrokenRuleError(f"it took {seconds:.1f} seconds of processor time")
        if grown > self.mebibytes * 1024 * 1024:
            raise BrokenRuleError(f"it took {grown // 1024} KiB of memory")


def peak() -> int:
    """Return how much memory the process has had at most, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def parts(data: bytes, count: int) -> list[bytes]:
    """Return the parts of an input; those that are missing are empty."""
    found = data.split(SEPARATOR, count - 1)
    return found + [b""] * (count - len(found))


def joined(*parts: bytes | str) -> bytes:
    """Make an input of its parts."""
    return SEPARATOR.join(part.encode("utf-8", "surrogatepass") if isinstance(part, str) else part for part in parts)


def require(rule: bool, words: object) -> None:
    """Raise unless a rule holds.

    Raises:
        BrokenRuleError: with these words.
    """
    if not rule:
        raise BrokenRuleError(words)
