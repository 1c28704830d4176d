"""What is in stock. In memory, as a demo may: each process has its own, and forgets it when it ends."""

_quantities = {"tea": 120, "coffee": 80, "biscuits": 35}


def items() -> dict[str, int]:
    """Return how many there are of each item."""
    return dict(_quantities)


def put(item: str, quantity: int) -> None:
    """Say how many there are of an item.

    Raises:
        KeyError: if there is no such item.
    """
    if item not in _quantities:
        raise KeyError(item)
    _quantities[item] = quantity
