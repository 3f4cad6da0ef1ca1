"""A setting as people see it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One variable.

    Attributes:
        name: The variable, upper case.
        value: Its value as text; secrets are masked.
        origin: ``command line``, ``environment``, ``.env`` or ``default``.
        no_effect: Why this version ignores it; empty when it does not.
    """

    name: str
    value: str
    origin: str
    description: str
    no_effect: str
