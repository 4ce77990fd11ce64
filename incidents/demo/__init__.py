"""A recorded day of an online shop, and what plays it to a console through the real HTTP endpoint."""
