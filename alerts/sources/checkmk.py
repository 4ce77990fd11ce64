"""Checkmk: the variables of a notification, as the script of our setup posts them."""

from __future__ import annotations

from alerts.sources import nagios
from alerts.sources.reading import AlertObject, as_object, text_at


def normalize(payload: object) -> list[AlertObject]:
    """Rename the NOTIFY_ variables to the fields of Nagios, whose values they share."""
    sent = {name.upper().removeprefix("NOTIFY_"): value for name, value in as_object(payload).items()}
    is_service = bool(text_at(sent, "SERVICEDESC"))
    micro = text_at(sent, "MICROTIME")
    url = text_at(sent, "SERVICEURL" if is_service else "HOSTURL")
    server = text_at(sent, "CONSOLE_URL").rstrip("/")
    event = {
        "host_name": text_at(sent, "HOSTNAME"),
        "service_description": text_at(sent, "SERVICEDESC"),
        "state": text_at(sent, "SERVICESTATE" if is_service else "HOSTSTATE"),
        "notification_type": text_at(sent, "NOTIFICATIONTYPE").partition(" ")[0],
        "output": text_at(sent, "SERVICEOUTPUT" if is_service else "HOSTOUTPUT"),
        "long_output": text_at(sent, "LONGSERVICEOUTPUT" if is_service else "LONGHOSTOUTPUT"),
        "timestamp": micro[:-6] if micro.isdecimal() and len(micro) > 12 else "",
        "address": text_at(sent, "HOSTADDRESS"),
        "groups": text_at(sent, "SERVICEGROUPNAMES" if is_service else "HOSTGROUPNAMES", "HOSTGROUPNAMES"),
        "url": url if url.startswith("http") else f"{server}{url}" if server and url else "",
        "author": text_at(sent, "NOTIFICATIONAUTHOR"),
        "comment": text_at(sent, "NOTIFICATIONCOMMENT"),
        "site": text_at(sent, "OMD_SITE"),
        **{name.lower(): value for name, value in sent.items() if name.startswith("HOSTLABEL_")},
    }
    return nagios.normalize(event)
