"""The API of incidents for scripts, in the shapes of BigPanda's resource API (docs/wire-contract.md §8)."""
