"""Networks with something wrong in them.

    sick, mended = patients.cropped(), patients.cropped(repaired=True)     # one silent fault of UffParser each, page 02
    patient = patients.admit(seed=1)                                       # three hidden faults, page 08
    graph = patients.half(patient.graph(), keep=["conv_1/Conv2D"])         # computed in 16 bits
"""
from .admitted import COMPLAINTS, OUTPUTS, Patient, admit
from .half import half
from .networks import cropped, freeze, images, joined, padded, unchanged

__all__ = ["COMPLAINTS", "OUTPUTS", "Patient", "admit", "cropped", "freeze", "half", "images", "joined", "padded", "unchanged"]
