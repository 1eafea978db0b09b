"""Who is in a dynamic cohort: every patient's kinetics, scan and classes, before any image is made."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from glioframe.core.errors import SettingError
from glioframe.core.modality import Tracer
from glioframe.core.presets import preset_names
from glioframe.core.seeds import derive_seed
from glioframe.pet.frames import FrameSchedule
from glioframe.pet.protocol import find_protocol, protocol_schedule
from glioframe.simulation.dynamic_pet import Motion, sample_motion
from glioframe.simulation.physiology import Variation
from glioframe.simulation.questions import PATIENT_CORRELATION, QUESTIONS
from glioframe.simulation.roster import Place, draw_places
from glioframe.simulation.traits import LesionShape, PatientTraits, sample_patient, sample_shape
from glioframe.simulation.tumor_kinetics import sample_tumor

if TYPE_CHECKING:
    from glioframe.artifacts.cases import Case
    from glioframe.simulation.settings import CohortSettings
    from glioframe.simulation.sites import Site

_NORMAL_LOG_SD = 0.10
_MIN_FRAMES = 2


@dataclass(frozen=True, kw_only=True, slots=True)
class DynamicPatient:
    """One patient with one visit.

    Attributes:
        place: The site, the true type of the lesion, the seed.
        case: The row of cases.tsv.
        traits: The patient's own variation.
        lesion: What MRI shows of the lesion.
        has_decoy: Whether the lesion has a part of high uptake with a late peak.
        variation: The patient's kinetics.
        schedule: The frames of the PET.
        motion: What the head does during the PET.
    """

    place: Place
    case: Case
    traits: PatientTraits
    lesion: LesionShape
    has_decoy: bool
    variation: Variation
    schedule: FrameSchedule
    motion: Motion


def draw_dynamic_roster(settings: CohortSettings) -> list[DynamicPatient]:
    """All patients, training cases first; of each type every second one, in shuffled pairs, has a decoy."""
    seen: Counter[tuple[str, str]] = Counter()
    patients = []
    for place in draw_places(settings, QUESTIONS[settings.question].types):
        stratum = (place.split, place.true_class)
        pair, position = divmod(seen[stratum], 2)
        rng = np.random.default_rng(derive_seed(settings.seed, "decoys", *stratum, pair))
        patients.append(_patient(settings, place, has_decoy=bool(rng.permutation(2)[position])))
        seen[stratum] += 1
    return patients


def site_schedule(settings: CohortSettings, site: Site) -> FrameSchedule:
    """The frames of a site's PET.

    Raises:
        SettingError: The schedule is neither a pattern nor a protocol of the tracer, or has a single frame.
    """
    name = settings.schedule
    if name and (name.endswith(".json") or name in preset_names("protocols")):
        protocol = find_protocol(name)
        schedule = protocol_schedule(protocol)
        if protocol.tracer != settings.tracer:
            raise SettingError(
                "--schedule",
                expected=f"a protocol of {settings.tracer}",
                found=f"{name}, a protocol of {protocol.tracer}",
                fix="Choose another protocol or another --tracer",
            )
    else:
        schedule = FrameSchedule.from_pattern(name or site.dynamic.frame_patterns[Tracer(settings.tracer)])
    if schedule.num_frames < _MIN_FRAMES:
        raise SettingError(
            "--schedule", expected="two or more frames", found=f"{name}: one frame", fix="Choose a dynamic protocol"
        )
    return schedule


def _patient(settings: CohortSettings, place: Place, *, has_decoy: bool) -> DynamicPatient:
    def stream(name: str) -> np.random.Generator:
        return np.random.default_rng(derive_seed(place.seed, name))

    question, tracer = QUESTIONS[settings.question], Tracer(settings.tracer)
    traits = sample_patient(stream("patient"))
    schedule = site_schedule(settings, place.site)
    first, second = stream("normal tissue").standard_normal(2)
    mixed = PATIENT_CORRELATION * first + math.sqrt(1 - PATIENT_CORRELATION**2) * second
    return DynamicPatient(
        place=place,
        case=place.case(traits, question.sample_classes(place.recorded_class, stream("classes"))),
        traits=traits,
        lesion=sample_shape(stream("lesion")),
        has_decoy=has_decoy,
        variation=Variation(
            tumor=sample_tumor(question, tracer, place.true_class, stream("tumor kinetics")),
            input_scale=traits.uptake_factor,
            normal_k1_factor=math.exp(_NORMAL_LOG_SD * first),
            normal_k2_factor=math.exp(_NORMAL_LOG_SD * mixed),
        ),
        schedule=schedule,
        motion=sample_motion(schedule, place.site.dynamic.motion_rate, stream("motion")),
    )
