"""The version of the pixel processing in intake and fuser, and its constants.

A change that alters any stored view or tensor needs a new VERSION and the next GENERATION: sets of views start empty
under a new version, and the current call of a specimen prefers the higher generation (see docs/delivery.md).
"""

from typing import Final

VERSION: Final = "p2"
"""Part of every view and tensor key; letters, digits and hyphens only."""
GENERATION: Final = 2
"""Orders preprocessing versions in time."""
VIEW_SIDE: Final = 448
"""Pixels per side of a stored standardised view (uint8, bone bright)."""
TENSOR_SIDE: Final = 224
"""Pixels per side of the fused tensor (uint8 [side, side, 3]); divides VIEW_SIDE."""
DV_WEIGHT: Final = 0.6
"""Weight of the DV edges in the blended edge channel; LAT has the rest (paper 3.3: 'slightly higher for DV')."""
