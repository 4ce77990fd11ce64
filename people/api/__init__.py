"""Declarations of operations and fields of requests, for every API of the console; and the API of the audit log."""
