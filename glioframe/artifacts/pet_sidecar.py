"""The BIDS-PET sidecar of a dynamic PET: frame times, tracer, dose and decay correction, beside the 4D image.

Read strictly where a quantity depends on it; keys that BIDS knows and nobody here needs are passed over.
Times in the file count from its TimeZero; here they count from injection.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from glioframe.artifacts.json_file import read_json
from glioframe.artifacts.protocol import DecayReference
from glioframe.core.errors import DatasetError
from glioframe.core.files import write_text_atomically
from glioframe.core.modality import Tracer, Unit

HALF_LIFE_S: Final = {"F18": 109.77 * 60, "C11": 20.36 * 60}
"""Half-life by radionuclide, in seconds."""

RADIONUCLIDE_OF: Final = {Tracer.FDOPA: "F18", Tracer.FET: "F18", Tracer.FDG: "F18", Tracer.MET: "C11"}

_TRACER_NAMES = {
    "fdopa": Tracer.FDOPA,
    "dopa": Tracer.FDOPA,
    "fluorodopa": Tracer.FDOPA,
    "fet": Tracer.FET,
    "fluoroethyltyrosine": Tracer.FET,
    "met": Tracer.MET,
    "methionine": Tracer.MET,
    "fdg": Tracer.FDG,
    "fluorodeoxyglucose": Tracer.FDG,
}
_UNITS = {"bq/ml": Unit.BQ_ML, "g/ml": Unit.SUV_BW, "suv": Unit.SUV_BW, "suvbw": Unit.SUV_BW, "tbr": Unit.TBR}
_UNIT_NAMES = {Unit.BQ_ML: "Bq/mL", Unit.SUV_BW: "g/mL", Unit.TBR: "TBR"}
_BQ_PER = {"bq": 1.0, "kbq": 1e3, "mbq": 1e6, "gbq": 1e9, "mci": 3.7e7}
_ABSENT = (None, "", "n/a", "none", "unknown")
_TOLERANCE_S = 0.5  # sidecars round times to whole or half seconds


@dataclass(frozen=True, kw_only=True, slots=True)
class PetSidecar:
    """What a sidecar says of its image. All times are seconds from injection.

    Attributes:
        tracer: The tracer; None for one that glioframe does not know.
        tracer_name: As written.
        radionuclide: ``F18`` or ``C11``.
        units: Of the voxel values.
        frame_start_s: When each frame starts.
        frame_duration_s: How long each frame lasts.
        injected_activity_bq: At injection; None when not stated.
        body_weight_kg: None when not stated.
        decay_reference: The time to which the values are decay-corrected.
        scan_start_s: The scan start that ``decay_reference`` may mean.
    """

    tracer: Tracer | None
    tracer_name: str
    radionuclide: str
    units: Unit
    frame_start_s: tuple[float, ...]
    frame_duration_s: tuple[float, ...]
    injected_activity_bq: float | None = None
    body_weight_kg: float | None = None
    decay_reference: DecayReference = DecayReference.INJECTION
    scan_start_s: float = 0.0

    @property
    def half_life_s(self) -> float:
        """Of the radionuclide."""
        return HALF_LIFE_S[self.radionuclide]

    @property
    def decay_corrected(self) -> bool:
        """Whether the values are decay-corrected, to whatever time."""
        return self.decay_reference is not DecayReference.NONE

    @property
    def num_frames(self) -> int:
        """The number of frames."""
        return len(self.frame_start_s)


def load_pet_sidecar(path: Path) -> PetSidecar:
    """Reads a sidecar.

    Raises:
        ArtifactError: The file is absent or no JSON.
        DatasetError: A key is absent, illegal, or contradicts another; one line, naming the key.
    """
    return parse_pet_sidecar(read_json(path), where=path)


def parse_pet_sidecar(content: object, *, where: Path | str) -> PetSidecar:
    """The sidecar in a parsed JSON document; see :func:`load_pet_sidecar`."""
    if not isinstance(content, dict):
        raise DatasetError(
            where,
            expected="a JSON object of BIDS-PET keys",
            found=type(content).__name__,
            fix="Write the sidecar as BIDS does",
        )
    keys = _Keys(content, where)
    injection_s = keys.number("InjectionStart", default=0.0)
    starts_s = tuple(start - injection_s for start in keys.numbers("FrameTimesStart"))
    durations_s = keys.numbers("FrameDuration")
    if len(starts_s) != len(durations_s):
        raise keys.fault(
            "FrameDuration", f"{len(starts_s)} numbers, as many as FrameTimesStart has", f"{len(durations_s)}"
        )
    tracer_name = keys.text("TracerName")
    tracer = tracer_from_name(tracer_name)
    first_s = starts_s[0]
    scan_start_s = keys.number("ScanStart", default=first_s + injection_s) - injection_s
    return PetSidecar(
        tracer=tracer,
        tracer_name=tracer_name,
        radionuclide=_radionuclide(keys, tracer),
        units=_unit(keys),
        frame_start_s=starts_s,
        frame_duration_s=durations_s,
        injected_activity_bq=_injected_activity_bq(keys),
        body_weight_kg=keys.positive("BodyWeight"),
        decay_reference=_decay_reference(keys, injection_s, scan_start_s),
        scan_start_s=scan_start_s,
    )


def save_pet_sidecar(sidecar: PetSidecar, path: Path) -> None:
    """Writes a sidecar under BIDS's names, its TimeZero being the injection."""
    content: dict[str, Any] = {
        "TracerName": sidecar.tracer_name,
        "TracerRadionuclide": sidecar.radionuclide,
        "Units": _UNIT_NAMES[sidecar.units],
        "ScanStart": sidecar.scan_start_s,
        "InjectionStart": 0,
        "FrameTimesStart": list(sidecar.frame_start_s),
        "FrameDuration": list(sidecar.frame_duration_s),
        "ImageDecayCorrected": sidecar.decay_corrected,
    }
    if sidecar.decay_corrected:
        at_scan_start = sidecar.decay_reference is DecayReference.SCAN_START
        content["ImageDecayCorrectionTime"] = sidecar.scan_start_s if at_scan_start else 0
    if sidecar.injected_activity_bq is not None:
        content |= {"InjectedRadioactivity": sidecar.injected_activity_bq, "InjectedRadioactivityUnits": "Bq"}
    if sidecar.body_weight_kg is not None:
        content["BodyWeight"] = sidecar.body_weight_kg
    write_text_atomically(path, json.dumps(content, indent=2) + "\n")


def sidecar_path(image: Path) -> Path:
    """``CASE_0001.json`` beside ``CASE_0001.nii.gz``."""
    return image.with_name(image.name.removesuffix(".gz").removesuffix(".nii") + ".json")


def tracer_from_name(name: str) -> Tracer | None:
    """The tracer of any common spelling (``FDOPA``, ``[18F]FET``, ``C-11 methionine``); None for another one."""
    without_label = re.sub(r"\b(18-?F|F-?18|11-?C|C-?11)\b", "", name, flags=re.IGNORECASE)
    return _TRACER_NAMES.get("".join(re.findall(r"[a-z]", without_label.lower())))


def radionuclide_from_name(name: str) -> str:
    """``F18`` for ``18F``, ``F-18``, ``[18F]``, ``^18^Fluorine``; whatever it is without its signs otherwise."""
    element = "".join(re.findall(r"[A-Za-z]+", name)).upper()
    mass = "".join(re.findall(r"\d+", name))
    return {"FLUORINE": "F", "CARBON": "C"}.get(element, element) + mass


class _Keys:
    """The keys of one document; each is fetched as what it has to be."""

    def __init__(self, content: dict[str, Any], where: Path | str) -> None:
        self._content = content
        self._where = where

    def fault(self, key: str, expected: str, found: str, fix: str = "") -> DatasetError:
        return DatasetError(f"{self._where}, {key}", expected=expected, found=found, fix=fix or f"Correct {key}")

    def has(self, key: str) -> bool:
        value = self._content.get(key)
        return not (value is None or (isinstance(value, str) and value.strip().lower() in _ABSENT))

    def required(self, key: str) -> Any:  # noqa: ANN401 - whatever the file holds
        if not self.has(key):
            raise self.fault(key, "this key", "none", f"Add {key} as BIDS-PET defines it")
        return self._content[key]

    def text(self, key: str) -> str:
        value = self.required(key)
        if not isinstance(value, str):
            raise self.fault(key, "a text", repr(value))
        return value.strip()

    def flag(self, key: str) -> bool:
        value = self.required(key)
        if not isinstance(value, bool):
            raise self.fault(key, "true or false", repr(value))
        return value

    def number(self, key: str, *, default: float | None = None) -> float:
        if default is not None and not self.has(key):
            return default
        value = self.required(key)
        if not _is_number(value):
            raise self.fault(key, "a finite number", repr(value))
        return float(value)

    def positive(self, key: str) -> float | None:
        if not self.has(key):
            return None
        value = self.number(key)
        if value <= 0:
            raise self.fault(key, "a number above 0, or no such key", f"{value:g}")
        return value

    def numbers(self, key: str) -> tuple[float, ...]:
        value = self.required(key)
        if not (isinstance(value, list) and value and all(map(_is_number, value))):
            raise self.fault(key, "a list of one or more finite numbers (seconds)", _in_short(value))
        return tuple(map(float, value))


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _in_short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."  # noqa: PLR2004 - fits a line


def _unit(keys: _Keys) -> Unit:
    name = keys.text("Units")
    unit = _UNITS.get(name.lower().replace(" ", ""))
    if unit is None:
        fix = "Convert the dataset with glioframe_convert, or scale the image and correct Units"
        raise keys.fault("Units", "Bq/mL, g/mL (SUV by body weight) or TBR", repr(name), fix)
    return unit


def _radionuclide(keys: _Keys, tracer: Tracer | None) -> str:
    name = radionuclide_from_name(keys.text("TracerRadionuclide"))
    if name not in HALF_LIFE_S:
        raise keys.fault(
            "TracerRadionuclide", f"one of {', '.join(HALF_LIFE_S)}", repr(keys.text("TracerRadionuclide"))
        )
    if tracer is not None and RADIONUCLIDE_OF[tracer] != name:
        fix = "Correct TracerName or TracerRadionuclide"
        raise keys.fault("TracerRadionuclide", f"{RADIONUCLIDE_OF[tracer]}, as in {tracer}", name, fix)
    return name


def _injected_activity_bq(keys: _Keys) -> float | None:
    activity = keys.positive("InjectedRadioactivity")
    if activity is None:
        return None
    unit = keys.text("InjectedRadioactivityUnits")
    if unit.lower() not in _BQ_PER:
        raise keys.fault("InjectedRadioactivityUnits", "Bq, kBq, MBq, GBq or mCi", repr(unit))
    return activity * _BQ_PER[unit.lower()]


def _decay_reference(keys: _Keys, injection_s: float, scan_start_s: float) -> DecayReference:
    if not keys.flag("ImageDecayCorrected"):
        return DecayReference.NONE
    time_s = keys.number("ImageDecayCorrectionTime") - injection_s
    if abs(time_s) <= _TOLERANCE_S:
        return DecayReference.INJECTION
    if abs(time_s - scan_start_s) <= _TOLERANCE_S:
        return DecayReference.SCAN_START
    expected = f"the time of injection ({injection_s:g} s) or of the scan start ({scan_start_s + injection_s:g} s)"
    raise keys.fault("ImageDecayCorrectionTime", expected, f"{time_s + injection_s:g} s")
