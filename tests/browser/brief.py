"""Settings of a server whose access tokens end at once, so that five of them can be seen to end."""

from datetime import timedelta

from .served import *  # noqa: F403
from .served import JWTAUTH as SERVED

JWTAUTH = {
    **SERVED,
    "ACCESS_TOKEN_LIFETIME": timedelta(seconds=3),
    "LEEWAY": timedelta(0),
    # Tabs without locks refresh one by one: forty times in half a minute, where it would be an hour.
    "THROTTLE_RATES": {"refresh": None},
}
