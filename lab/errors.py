"""LabError: what a person who runs a lab can do something about. Its text is one line."""


class LabError(Exception):
    """A lab could not do what was asked; the message says why, and what to do."""
