"""What the demo tells its user instead of a traceback."""


class NoServerError(Exception):
    """There is no server, or ours does not start; the text is for the user."""
