"""The BIDS-PET sidecar of a simulated PET."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from glioframe.core.files import write_text_atomically

if TYPE_CHECKING:
    from pathlib import Path

    from glioframe.core.modality import Tracer
    from glioframe.pet.frames import FrameSchedule
    from glioframe.simulation.sites import Site

_BQ_PER_MBQ = 1e6


def write_sidecar(
    path: Path, schedule: FrameSchedule, tracer: Tracer, site: Site, *, activity_bq: float, weight_kg: float
) -> None:
    """Writes what BIDS requires of a PET, and the body weight; what a phantom has not is ``n/a``."""
    content: dict[str, Any] = {
        "Manufacturer": "glioframe",
        "ManufacturersModelName": f"simulated scanner of site {site.name}",
        "Modality": "PT",
        "Units": "Bq/mL",
        "BodyPart": "brain",
        "BodyWeight": weight_kg,
        "TracerName": tracer.value.upper(),
        "TracerRadionuclide": "F18",
        "InjectedRadioactivity": round(activity_bq / _BQ_PER_MBQ, 6),
        "InjectedRadioactivityUnits": "MBq",
        "InjectedMass": "n/a",
        "InjectedMassUnits": "n/a",
        "SpecificRadioactivity": "n/a",
        "SpecificRadioactivityUnits": "n/a",
        "ModeOfAdministration": "bolus",
        "TimeZero": "10:00:00",
        "InjectionStart": 0,
        "ScanStart": schedule.start_s[0],
        "FrameTimesStart": list(schedule.start_s),
        "FrameDuration": list(schedule.duration_s),
        "AcquisitionMode": "4D",
        "ImageDecayCorrected": True,
        "ImageDecayCorrectionTime": 0,
        "AttenuationCorrection": "none needed: simulated without attenuation",
        "ReconMethodName": "simulated",
        "ReconMethodParameterLabels": ["none"],
        "ReconFilterType": "Gaussian",
        "ReconFilterSize": site.dynamic.blur_mm,
    }
    write_text_atomically(path, json.dumps(content, indent=2) + "\n")
