"""Explanations: why an alert is in its incident, and why it is not in another one (docs/how-it-works.md §7).

Each module imports only modules above it, and `incidents.correlation`:

    considered   what each pattern said about an alert
    why          the explanation of an alert's incident, in sentences
    why_not      the answer why two alerts, or an alert and an incident, are not together
    lookup       the alert or incident that a person names by a number, a link or a search
"""

from __future__ import annotations
