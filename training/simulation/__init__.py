"""Simulated mice: specimens with known truth, their radiographs, and the files that a centre would send."""

from training.simulation.centres import CENTRES, STYLES, UNSEEN_CENTRES, CentreStyle, style_of
from training.simulation.cohort import SpecimenSubmission, SubmittedImage, cohort
from training.simulation.contact_sheet import write_contact_sheet
from training.simulation.files import PARAMETER_OF_VIEW, EncodedImage, encode
from training.simulation.imaging.radiograph import TROUBLES, VIEWS, Box, Radiograph
from training.simulation.landmarks import LANDMARKS, Landmarks
from training.simulation.render import render, render_pair
from training.simulation.specimen import BALANCED, PUBLIC, Prevalence, SimulatedSpecimen, make_specimen

__all__ = [
    "BALANCED",
    "CENTRES",
    "LANDMARKS",
    "PARAMETER_OF_VIEW",
    "PUBLIC",
    "STYLES",
    "TROUBLES",
    "UNSEEN_CENTRES",
    "VIEWS",
    "Box",
    "CentreStyle",
    "EncodedImage",
    "Landmarks",
    "Prevalence",
    "Radiograph",
    "SimulatedSpecimen",
    "SpecimenSubmission",
    "SubmittedImage",
    "cohort",
    "encode",
    "make_specimen",
    "render",
    "render_pair",
    "style_of",
    "write_contact_sheet",
]
