"""The digital twin: a module made of software, with a paced serial line and real sockets."""

from fcm360w.sim.dialect import DIALECTS, MANUAL, QUIRKS, Dialect, find_dialect
from fcm360w.sim.hotspots import DEFAULT_AP, AccessPoint, parse_access_points
from fcm360w.sim.routes import parse_routes
from fcm360w.sim.twin import Twin, serve
from fcm360w.sim.uart import PayloadStamps
from fcm360w.sim.upgrade import image as firmware_image
from fcm360w.sim.world import World

__all__ = [
    "DEFAULT_AP",
    "DIALECTS",
    "MANUAL",
    "QUIRKS",
    "AccessPoint",
    "Dialect",
    "PayloadStamps",
    "Twin",
    "World",
    "find_dialect",
    "firmware_image",
    "parse_access_points",
    "parse_routes",
    "serve",
]
