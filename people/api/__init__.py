"""What every API of the console shares: how a view declares its operations, and the fields that read requests."""
