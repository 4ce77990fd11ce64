"""Every monitoring system that we speak with: a pure function each, from its payload to events."""
