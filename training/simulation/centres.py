"""How each centre takes and sends its pictures: one table of parameter sets.

The styles follow the public IMPC record: JAX, WTSI, MRC Harwell, TCP and HMGU send DICOM, UC Davis PNG, BCM JPEG and
ICS BMP (both also with dark bone), CCP-IMG TIFF. RBRC, KMPC and MARC are reserved for testing: no training set uses
them. The values are plausible ranges for such pictures, not measurements of a device.
"""

from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from services.common.errors import Rejected

UP, LEFT, DOWN, RIGHT = 0.0, 90.0, 180.0, -90.0


@dataclass(frozen=True, slots=True)
class Storage:
    """The files that a centre writes.

    `bits` are stored bits; `dark_bone` the share of files with dark bone (tagged MONOCHROME1 in DICOM, not tagged in
    other formats); `syntaxes` are names of pydicom transfer syntaxes; `linear` stores detector counts rather than a
    logarithm; `slope` and `intercept` are the DICOM rescale; `alpha` and `colour` the shares of PNG with transparency
    and of files with three equal channels.
    """

    kind: str
    bits: int = 8
    dark_bone: float = 0.0
    syntaxes: tuple[str, ...] = ()
    linear: bool = False
    slope: float = 1.0
    intercept: float = 0.0
    window: bool = False
    alpha: float = 0.0
    colour: float = 0.0


@dataclass(frozen=True, slots=True)
class CentreStyle:
    """The style of one centre.

    `sizes` are (height, width) in pixels; `field_mm` the longer side of the picture; `habit` the usual head angles
    (degrees, see Radiograph); `turn` their spread; photons per pixel, scatter share, blur and beam hardness in [0, 1];
    `gamma`, `floor` and `sharpening` shape the display; the next four are shares of pictures. `unseen` centres are
    reserved for testing.
    """

    name: str
    institution: str
    sizes: tuple[tuple[int, int], ...]
    field_mm: tuple[float, float]
    habit: tuple[float, ...]
    turn: float
    storage: Storage
    photons: float = 6000.0
    scatter: tuple[float, float] = (0.05, 0.2)
    blur_mm: tuple[float, float] = (0.06, 0.16)
    hardness: tuple[float, float] = (0.3, 0.7)
    gamma: tuple[float, float] = (0.55, 0.8)
    floor: tuple[float, float] = (0.0, 0.03)
    sharpening: tuple[float, float] = (0.0, 0.5)
    marker: float = 0.3
    text: float = 0.1
    collimator: float = 0.2
    faces_right: float = 0.2
    unseen: bool = False


_DICOM_PLAIN: Final = ("ImplicitVRLittleEndian", "ExplicitVRLittleEndian")
STYLES: Final = MappingProxyType(
    {
        style.name: style
        for style in (
            CentreStyle(
                "JAX",
                "The Jackson Laboratory",
                ((1280, 1280), (1200, 1000)),
                (128.0, 165.0),
                (UP, UP, 30.0),
                22.0,
                Storage("dicom", 16, syntaxes=_DICOM_PLAIN, window=True),
                gamma=(0.4, 0.7),
                floor=(0.0, 0.28),
            ),
            CentreStyle(
                "WTSI",
                "Wellcome Trust Sanger Institute",
                ((1500, 1200), (1400, 1100)),
                (140.0, 175.0),
                (UP,),
                14.0,
                Storage("dicom", 12, dark_bone=1.0, syntaxes=("JPEGLSLossless", "ExplicitVRLittleEndian")),
                photons=9000.0,
                sharpening=(0.2, 0.7),
                marker=0.6,
            ),
            CentreStyle(
                "MRC Harwell",
                "MRC Harwell Institute",
                ((1200, 1200), (1024, 1024)),
                (145.0, 190.0),
                (LEFT, LEFT, 60.0),
                18.0,
                Storage(
                    "dicom",
                    14,
                    syntaxes=("RLELossless", "ExplicitVRLittleEndian"),
                    slope=2.0,
                    intercept=-1024.0,
                    window=True,
                ),
                marker=0.6,
                collimator=0.5,
            ),
            CentreStyle(
                "TCP",
                "The Centre for Phenogenomics",
                ((1300, 1000), (1600, 1200)),
                (130.0, 165.0),
                (UP, DOWN),
                20.0,
                Storage("dicom", 16, dark_bone=1.0, syntaxes=("ImplicitVRLittleEndian",), linear=True, window=True),
                hardness=(0.5, 0.9),
                gamma=(0.7, 1.0),
            ),
            CentreStyle(
                "HMGU",
                "Helmholtz Zentrum Muenchen",
                ((1000, 1400), (1100, 1500)),
                (140.0, 180.0),
                (LEFT,),
                12.0,
                Storage(
                    "dicom",
                    12,
                    syntaxes=("JPEG2000Lossless", "ImplicitVRLittleEndian", "DeflatedExplicitVRLittleEndian"),
                ),
                photons=3500.0,
                scatter=(0.1, 0.3),
                gamma=(0.65, 0.95),
            ),
            CentreStyle(
                "UC Davis",
                "UC Davis Mouse Biology Program",
                ((1200, 1500), (1024, 1280)),
                (130.0, 170.0),
                (LEFT, 120.0),
                25.0,
                Storage("png", 16, alpha=0.35, colour=0.2),
                gamma=(0.38, 0.6),
                sharpening=(0.3, 1.0),
            ),
            CentreStyle(
                "BCM",
                "Baylor College of Medicine",
                ((1200, 1600), (1500, 1500)),
                (150.0, 195.0),
                (45.0, UP, LEFT),
                35.0,
                Storage("jpeg", 8, dark_bone=0.45, colour=0.5),
                photons=2500.0,
                marker=0.5,
                text=0.7,
            ),
            CentreStyle(
                "ICS",
                "Institut Clinique de la Souris",
                ((1024, 1024), (1200, 1000)),
                (125.0, 160.0),
                (UP, RIGHT),
                20.0,
                Storage("bmp", 8, dark_bone=0.45, colour=0.3),
                gamma=(0.42, 0.7),
                text=0.3,
            ),
            CentreStyle(
                "CCP-IMG",
                "Czech Centre for Phenogenomics",
                ((1100, 1100), (1000, 1400)),
                (135.0, 170.0),
                (UP,),
                10.0,
                Storage("tiff", 16),
                photons=12000.0,
                scatter=(0.0, 0.05),
                hardness=(0.4, 0.9),
                gamma=(0.75, 1.0),
                marker=0.0,
            ),
            CentreStyle(
                "RBRC",
                "RIKEN BioResource Research Center",
                ((1350, 1080),),
                (120.0, 150.0),
                (DOWN,),
                16.0,
                Storage("dicom", 12, dark_bone=1.0, syntaxes=("JPEG2000Lossless",), window=True),
                photons=4500.0,
                scatter=(0.15, 0.32),
                hardness=(0.2, 0.6),
                gamma=(0.5, 0.65),
                sharpening=(0.5, 1.0),
                marker=0.8,
                faces_right=0.8,
                unseen=True,
            ),
            CentreStyle(
                "KMPC",
                "Korea Mouse Phenotyping Center",
                ((1152, 1536), (1250, 1250)),
                (150.0, 200.0),
                (RIGHT, -60.0),
                20.0,
                Storage("dicom", 14, syntaxes=("ExplicitVRLittleEndian", "RLELossless"), linear=True, window=True),
                photons=3000.0,
                blur_mm=(0.12, 0.2),
                hardness=(0.6, 0.95),
                gamma=(0.8, 1.1),
                collimator=0.6,
                unseen=True,
            ),
            CentreStyle(
                "MARC",
                "Model Animal Research Center of Nanjing University",
                ((1000, 1300),),
                (135.0, 180.0),
                (120.0, LEFT, UP),
                30.0,
                Storage("jpeg", 8, dark_bone=0.3),
                photons=2000.0,
                gamma=(0.36, 0.55),
                floor=(0.02, 0.15),
                sharpening=(0.0, 0.2),
                text=0.5,
                unseen=True,
            ),
        )
    }
)
CENTRES: Final = tuple(name for name, style in STYLES.items() if not style.unseen)
"""Centres of training sets and cohorts."""

UNSEEN_CENTRES: Final = tuple(name for name, style in STYLES.items() if style.unseen)
"""Reserved for testing whether a model recognises mice or only the centres in training."""


def style_of(centre: str) -> CentreStyle:
    """The style of a centre; raises Rejected `unknown_centre`."""
    if centre not in STYLES:
        raise Rejected("unknown_centre", f"no style for centre {centre!r}; known: {', '.join(STYLES)}", centre=centre)
    return STYLES[centre]
