"""Correlation: alerts become incidents (docs/how-it-works.md §4).

Each module imports only modules above it:

    decide           the pure decision: which incident an alert joins, and why
    matchers         the values that an incident shares, as rows read and written in sets
    rollup           one incident with its matchers, while alerts are counted into it
    candidates       the rollups in reach, by the keys of their matchers
    rules            patterns as values of `decide`
    correlation_log  the record of what was correlated, which replays follow
    maintenance      the mark of alerts that a plan expects
    worker           the rounds: read what is behind, correlate, write
    tasks            the entry points for Celery

An alert that has no incident passes through `candidates`, which asks `decide` and lets the `rollup` of the chosen
incident add the alert. An alert that has an incident is updated in its `rollup`. `incidents.replay` uses the same
modules, except those that write.
"""

from __future__ import annotations
