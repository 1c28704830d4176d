"""Time that freezegun or time-machine holds."""

import contextlib

import freezegun
import time_machine


class FreezeGun:
    """What both packages can do, by the names of time-machine."""

    def __init__(self, factory):
        self.move_to, self.shift = factory.move_to, factory.tick


@contextlib.contextmanager
def with_freezegun(moment, *, tick=False):
    with freezegun.freeze_time(moment, tick=tick) as factory:
        yield FreezeGun(factory)


def with_time_machine(moment, *, tick=False):
    return time_machine.travel(moment, tick=tick)


TRAVELS = {"freezegun": with_freezegun, "time-machine": with_time_machine}
