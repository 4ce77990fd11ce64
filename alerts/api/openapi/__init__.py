"""The parts of the OpenAPI document that are written by hand: the Alerts API and the webhooks."""
