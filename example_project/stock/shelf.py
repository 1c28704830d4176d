"""What is in stock. It is kept in memory, because this is a demo: each process has its own stock until it ends."""

_quantities = {"tea": 120, "coffee": 80, "biscuits": 35}


def items() -> dict[str, int]:
    """Return the quantity of each item."""
    return dict(_quantities)


def put(item: str, quantity: int) -> None:
    """Set the quantity of an item.

    Raises:
        KeyError: if there is no such item.
    """
    if item not in _quantities:
        raise KeyError(item)
    _quantities[item] = quantity
