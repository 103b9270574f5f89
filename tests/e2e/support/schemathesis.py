"""Hooks for schemathesis: what the rules of JSON Schema cannot say.

Each puts a value that only a collector, its clock or another parameter can
judge in the place of one that its schema takes. What a schema refuses is left
as it is, so whatever was meant to be wrong stays wrong.
"""

import re

import schemathesis

RFC_3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)")
CURSOR = re.compile(r"[A-Za-z0-9_-]{34}")


def is_time(value, integers):
    if isinstance(value, str) and value.lstrip("-").isascii() and value.lstrip("-").isdigit():
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return any(value in some for some in integers)
    return isinstance(value, str) and RFC_3339.fullmatch(value) is not None


def plain(value):
    """JSON Schema takes -57.0 for an integer, the collector does not."""
    if isinstance(value, dict):
        return {key: plain(inner) for key, inner in value.items()}
    return int(value) if isinstance(value, float) and value.is_integer() else value


# Those of the description.
HEARD_AT = [range(946684800000, 253402300800000)]
QUERY = [range(253402300800, 253402300800000), range(-(2**63), 946684800)]


@schemathesis.hook
def before_call(context, case, **kwargs):
    door = (case.method, case.operation.path)
    if door == ("POST", "/rssi_readings") and isinstance(case.body, dict):
        case.body = plain(case.body)
        # Ahead of the collector's clock, and before the year 2000.
        if is_time(case.body.get("heard_at"), HEARD_AT):
            case.body["heard_at"] = "2026-01-01T00:00:00Z"
    if door == ("GET", "/rssi_readings") and isinstance(case.query, dict):
        # A cursor is the collector's own, and the second time must be the later one.
        cursor = case.query.get("cursor")
        if isinstance(cursor, str) and CURSOR.fullmatch(cursor):
            del case.query["cursor"]
        if all(is_time(case.query.get(name), QUERY) for name in ("from", "to")):
            case.query.update({"from": "2000-01-01T00:00:00Z", "to": "2100-01-01T00:00:00Z"})
    if door == ("POST", "/rssi_readings/batch") and case.headers:
        # It packs nothing.
        if case.headers.get("Content-Encoding") in ("gzip", "zstd"):
            case.headers["Content-Encoding"] = "identity"
