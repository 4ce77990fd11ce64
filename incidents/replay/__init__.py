"""Replays: correlation over the past, in memory, with other rules or the rules of that time (docs/how-it-works.md §6).

Each module imports only modules above it, and `incidents.correlation`:

    manual_changes   what people did, repeated in a replay
    engine           the replay itself, which follows the correlation log
    report           how the incidents of a replay differ from the stored incidents
    suggestions      patterns that past alerts suggest
    shadow           replays of draft rules that continue as the log grows
    runs             replays and searches that a worker carries out, with progress
    tasks            the entry points for Celery
"""

from __future__ import annotations
