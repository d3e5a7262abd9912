"""The possible values of each of the 53 observations, from IMPReSS procedure IMPC_XRY_001 and the paper's classes.

Columns: number, an abnormal value, a normal value, a missing value, class of level 2, class of level 3.
Tibia lengths are judged against wild types of 17.5 to 18.5 mm.
"""

from typing import Final

Row = tuple[str, str, str, str, str | None, str | None]

ROWS: Final[tuple[Row, ...]] = (
    ("001", "abnormal", "normal", "imageOnly", "Skull", "Other"),
    ("002", "abnormal", "normal", "unobservable", "Skull", "Other"),
    ("003", "abnormal", "normal", "imageOnly", "Skull", "Other"),
    ("004", "abnormal", "normal", "unobservable", "Skull", "Other"),
    ("005", "abnormal", "normal", "imageOnly", "Skull", "Other"),
    ("006", "abnormal", "normal", "unobservable", "Whole-body", "Other"),
    ("007", "abnormal", "normal", "imageOnly", "Whole-body", "Other"),
    ("008", "12", "13", "imageOnly", "Ribcage", "Ribs"),
    ("009", "14", "13", "no data", "Ribcage", "Ribs"),
    ("010", "abnormal", "normal", "unobservable", "Ribcage", "Ribs"),
    ("011", "fused", "not fused", "imageOnly", "Ribcage", "Fusion"),
    ("012", "abnormal", "normal", "unobservable", "Whole-body", "Other"),
    ("013", "6", "7", "not defined", "Spine", "Cervical"),
    ("014", "14", "13", "imageOnly", "Spine", "Thoracic"),
    ("015", "7", "5", "unobservable", "Spine", "Lumbar"),
    ("016", "3", "4", "no data", "Spine", "Morphology"),
    ("017", "20", "28", "not defined", "Spine", "Caudal"),
    ("018", "abnormal", "normal", "imageOnly", "Spine", "Shape"),
    ("019", "yes", "no", "unobservable", "Spine", "Fusion"),
    ("020", "abnormal", "normal", "imageOnly", "Spine", "Morphology"),
    ("021", "abnormal", "normal", "unobservable", "Limbs", "Other"),
    ("022", "abnormal", "normal", "imageOnly", "Limbs", "Other"),
    ("023", "abnormal", "normal", "unobservable", "Limbs", "Other"),
    ("024", "abnormal", "normal", "imageOnly", "Limbs", "Other"),
    ("025", "abnormal", "normal", "unobservable", "Limbs", "Other"),
    ("026", "abnormal", "normal", "imageOnly", "Limbs", "Other"),
    ("027", "abnormal", "normal", "unobservable", "Whole-body", "Joints"),
    ("028", "19", "20", "imageOnly", "Limbs", "Digits"),
    ("029", "Syndactylism", "no syndactylism", "unobservable", "Limbs", "Digits"),
    ("030", "yes", "no", "imageOnly", "Limbs", "Digits"),
    ("031", "no", "yes", "unobservable", "Limbs", "Digits"),
    ("033", "14.2", "18.0", "no data", "Limbs", "Other"),
    ("054", "MP:0000161", "MP:0002169", "not defined", "Spine", "Shape"),
    ("055", "abnormal", "normal", "imageOnly", "Spine", "Shape"),
    ("056", "yes", "no", "unobservable", "Spine", "Shape"),
    ("057", "yes", "no", "imageOnly", "Spine", "Shape"),
    ("058", "yes", "no", "unobservable", "Spine", "Shape"),
    ("059", "abnormal", "normal", "imageOnly", "Ribcage", "Ribs"),
    ("060", "yes", "no", "unobservable", "Spine", "Morphology"),
    ("061", "yes", "no", "imageOnly", "Spine", "Fusion"),
    ("062", "yes", "no", "unobservable", "Limbs", "Digits"),
    ("063", "abnormal", "normal", "imageOnly", "Spine", "Cervical"),
    ("064", "abnormal", "normal", "unobservable", "Spine", "Thoracic"),
    ("065", "abnormal", "normal", "imageOnly", "Spine", "Lumbar"),
    ("066", "abnormal", "normal", "unobservable", "Spine", "Morphology"),
    ("067", "abnormal", "normal", "imageOnly", "Spine", "Caudal"),
    ("068", "Yes", "No", "no data", "Ribcage", "Ribs"),
    ("069", "abnormal", "normal", "imageOnly", "Ribcage", "Ribs"),
    ("070", "abnormal", "normal", "unobservable", "Spine", "Cervical"),
    ("071", "abnormal", "normal", "imageOnly", "Spine", "Thoracic"),
    ("072", "abnormal", "normal", "unobservable", "Spine", "Lumbar"),
    ("073", "abnormal", "normal", "imageOnly", "Spine", "Morphology"),
    ("074", "abnormal", "normal", "unobservable", "Spine", "Caudal"),
)
ELSEWHERE: Final = ("Limbs", "Skull")
"""Classes of level 2 that are not in the call."""
