"""What a network gains by being cut."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Truncation:
    """A backbone beside its part up to a boundary.

    Attributes:
        boundary: the name of the boundary.
        images_per_second: `(whole, cut)`, what this machine computes, reading left out.
        megabytes: `(whole, cut)`, the size of the weights.
    """

    boundary: str
    images_per_second: tuple
    megabytes: tuple

    @property
    def speed_up(self):
        """How many times as fast the part is."""
        whole, cut = self.images_per_second
        return cut / whole

    def __str__(self):
        (whole_rate, cut_rate), (whole_size, cut_size) = self.images_per_second, self.megabytes
        return (
            f"Without them it is {self.speed_up:.2g} times as fast ({cut_rate:,.0f} pictures a "
            f"second on this machine instead of {whole_rate:,.0f}) and takes {cut_size:.1f} MB "
            f"instead of {whole_size:.1f} MB."
        )
