"""A recorded day of an online shop, and the player that sends the day to a console over HTTP."""
