"""One thing that an audit found."""

import dataclasses

SEVERITIES = ("note", "warning", "alarm")


@dataclasses.dataclass(frozen=True)
class Finding:
    """One thing that an audit found.

    Attributes:
        kind: what it is about: "classes", "duplicates", "labels", "shift", "shortcuts",
            "groups" or "unreadable".
        severity: "note", "warning", or "alarm" for what makes a score or a model worthless.
        sentence: what was found, in words.
        numbers: a dict of the figures in it.
    """

    kind: str
    severity: str
    sentence: str
    numbers: dict

    def __post_init__(self):
        if self.severity not in SEVERITIES:
            raise ValueError(
                f"`severity` must be one of {SEVERITIES}. Received: severity={self.severity!r}"
            )

    def to_json(self):
        """The finding as a dict."""
        return dataclasses.asdict(self)
