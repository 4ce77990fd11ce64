"""What scripts read and change of incidents, in the shapes of BigPanda's resource API (docs/wire-contract.md §8)."""
