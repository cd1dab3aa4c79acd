"""The time zones of `zoneinfo`. The build adds the module `time_zone_data`, because there are no files at run time."""

import io
import zoneinfo
from zoneinfo import _common, _tzpath

try:
    from .time_zone_data import ZONES
except ModuleNotFoundError:
    ZONES = {}

_load_from_package = _common.load_tzdata


def load_zone(key):
    """Opens the data of a zone. Raises ZoneInfoNotFoundError."""
    data = ZONES.get(key)
    return io.BytesIO(data) if data is not None else _load_from_package(key)


def available_timezones():
    """Returns the names of all zones."""
    return set(ZONES)


def install():
    """Installs the zones, if the build has added them."""
    if ZONES:
        _common.load_tzdata = load_zone
        zoneinfo.available_timezones = _tzpath.available_timezones = available_timezones
