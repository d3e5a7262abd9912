"""The populations that can be drawn."""

from typing import Final, Literal, get_args

Population = Literal["plain", "wide"]
"""`plain` lies straight and varies little: the committed weights learned it. `wide` varies as real mice and their
pictures do (docs/phantom.md)."""
POPULATIONS: Final[tuple[Population, ...]] = get_args(Population)
