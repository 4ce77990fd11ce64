"""Checkmk, with the variables of its notification as our script posts them."""

from __future__ import annotations

from alerts.sources import nagios
from alerts.sources.reading import AlertObject, an_object, text


def normalize(payload: object) -> list[AlertObject]:
    """Checkmk speaks Nagios's language, in NOTIFY_ variables."""
    sent = {name.upper().removeprefix("NOTIFY_"): value for name, value in an_object(payload).items()}
    is_service = bool(text(sent, "SERVICEDESC"))
    micro = text(sent, "MICROTIME")
    url = text(sent, "SERVICEURL" if is_service else "HOSTURL")
    server = text(sent, "CONSOLE_URL").rstrip("/")
    event = {
        "host_name": text(sent, "HOSTNAME"),
        "service_description": text(sent, "SERVICEDESC"),
        "state": text(sent, "SERVICESTATE" if is_service else "HOSTSTATE"),
        "notification_type": text(sent, "NOTIFICATIONTYPE").partition(" ")[0],
        "output": text(sent, "SERVICEOUTPUT" if is_service else "HOSTOUTPUT"),
        "long_output": text(sent, "LONGSERVICEOUTPUT" if is_service else "LONGHOSTOUTPUT"),
        "timestamp": micro[:-6] if micro.isdecimal() and len(micro) > 12 else "",
        "address": text(sent, "HOSTADDRESS"),
        "groups": text(sent, "SERVICEGROUPNAMES" if is_service else "HOSTGROUPNAMES", "HOSTGROUPNAMES"),
        "url": url if url.startswith("http") else f"{server}{url}" if server and url else "",
        "author": text(sent, "NOTIFICATIONAUTHOR"),
        "comment": text(sent, "NOTIFICATIONCOMMENT"),
        "site": text(sent, "OMD_SITE"),
        **{name.lower(): value for name, value in sent.items() if name.startswith("HOSTLABEL_")},
    }
    return nagios.normalize(event)
