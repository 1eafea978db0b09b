"""The PET tags of DICOM: from a series to activity in Bq/mL (or SUV) with the sidecar that says what it means."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from glioframe.artifacts.pet_sidecar import HALF_LIFE_S, PetSidecar, radionuclide_from_name, tracer_from_name
from glioframe.artifacts.protocol import DecayReference
from glioframe.core.errors import ImageError
from glioframe.core.modality import Unit
from glioframe.imaging.dicom_series import DicomSeries, DicomSlice, frames_of, read_frames
from glioframe.imaging.series import Series

if TYPE_CHECKING:
    from pathlib import Path

_DECAY = {"START": DecayReference.SCAN_START, "ADMIN": DecayReference.INJECTION, "NONE": DecayReference.NONE}
_PHILIPS_SUV, _PHILIPS_BQ_ML = (0x7053, 0x1000), (0x7053, 0x1009)
_HALF_LIFE_TOLERANCE = 0.02
_MS_PER_S = 1000.0


@dataclass(frozen=True, kw_only=True)
class DicomPet:
    """A PET series as read.

    Attributes:
        series: Values in the sidecar's units.
        sidecar: What the headers say of them.
    """

    series: Series
    sidecar: PetSidecar


def read_dicom_pet(source: DicomSeries) -> DicomPet:
    """Reads a PET series, dynamic or static.

    Raises:
        ImageError: A tag is absent or illegal; the message names it and what to do.
    """
    header, where = source.header, source.folder
    dose = _only(header, "RadiopharmaceuticalInformationSequence", "(0054,0016)", where)[0]
    weight_kg = _positive(header, "PatientWeight", "(0010,1030)", where, fix="in kg")
    activity_bq = _positive(dose, "RadionuclideTotalDose", "(0018,1074)", where, fix="in Bq at injection")
    unit, scale = _unit(header, where)
    reference = _decay_reference(header, where)
    frames = frames_of(source)
    starts = [min(_acquired(item) for item in frame) for frame in frames]
    injection = _injected(dose, starts[0], where)
    scan_start = _scan_start(header, starts[0], injection)
    name = _tracer_name(dose)
    series = read_frames(frames, where=where)
    sidecar = PetSidecar(
        tracer=tracer_from_name(name),
        tracer_name=name,
        radionuclide=_radionuclide(dose, where),
        units=unit,
        frame_start_s=tuple((start - injection).total_seconds() for start in starts),
        frame_duration_s=tuple(_duration_s(frame[0]) for frame in frames),
        injected_activity_bq=activity_bq,
        body_weight_kg=weight_kg,
        decay_reference=reference,
        scan_start_s=(scan_start - injection).total_seconds(),
    )
    return DicomPet(series=Series(series.array * scale, series.geometry), sidecar=sidecar)


def _fault(where: Path, tag: str, found: str, fix: str) -> ImageError:
    return ImageError(where, expected=f"a legal {tag}", found=found, fix=fix)


def _only(header: Any, name: str, tag: str, where: Path) -> Any:  # noqa: ANN401 - pydicom is typed in part
    value = header.get(name)
    if value in (None, "") or (hasattr(value, "__len__") and not len(value)):
        raise _fault(where, f"{name} {tag}", "none", f"Fill in {name} {tag} in the headers, or export them with it")
    return value


def _positive(header: Any, name: str, tag: str, where: Path, *, fix: str) -> float:  # noqa: ANN401 - as above
    value = float(_only(header, name, tag, where))
    if not value > 0:
        raise _fault(where, f"{name} {tag}", f"{value:g}", f"Fill it in, {fix}")
    return value


def _unit(header: Any, where: Path) -> tuple[Unit, float]:  # noqa: ANN401 - as above
    """The unit, and the factor from rescaled pixels to it."""
    name = str(_only(header, "Units", "(0054,1001)", where))
    if name == "BQML":
        return Unit.BQ_ML, 1.0
    if name == "GML" and str(header.get("SUVType", "BW")) == "BW":
        return Unit.SUV_BW, 1.0
    if name == "CNTS":
        for tag, unit in ((_PHILIPS_BQ_ML, Unit.BQ_ML), (_PHILIPS_SUV, Unit.SUV_BW)):
            factor = float(header[tag].value) if tag in header and header[tag].value not in (None, "", b"") else 0.0
            if factor > 0:
                return unit, factor
        raise _fault(
            where,
            "factor from counts, (7053,1009) to Bq/mL or (7053,1000) to SUV",
            "Units (0054,1001) CNTS and neither",
            "Export the series with the scanner's private tags, or in Bq/mL",
        )
    found = name if name != "GML" else f"GML with SUVType {header.get('SUVType')}"
    raise _fault(where, "Units (0054,1001): BQML, GML by body weight or CNTS", found, "Export the series in Bq/mL")


def _decay_reference(header: Any, where: Path) -> DecayReference:  # noqa: ANN401 - as above
    name = str(_only(header, "DecayCorrection", "(0054,1102)", where))
    if name not in _DECAY:
        raise _fault(where, "DecayCorrection (0054,1102): START, ADMIN or NONE", name, "Correct it in the headers")
    return _DECAY[name]


def _radionuclide(dose: Any, where: Path) -> str:  # noqa: ANN401 - as above
    half_life_s = _positive(dose, "RadionuclideHalfLife", "(0018,1075)", where, fix="in seconds")
    for name, known_s in HALF_LIFE_S.items():
        if abs(half_life_s / known_s - 1) < _HALF_LIFE_TOLERANCE:
            _check_code(dose, name, where)
            return name
    fix = "Correct it in the headers; only F-18 and C-11 are known"
    raise _fault(where, "RadionuclideHalfLife (0018,1075) of F-18 or C-11", f"{half_life_s:g} s", fix)


def _check_code(dose: Any, radionuclide: str, where: Path) -> None:  # noqa: ANN401 - as above
    codes = dose.get("RadionuclideCodeSequence") or []
    named = radionuclide_from_name(str(codes[0].get("CodeMeaning", ""))) if codes else ""
    if named in HALF_LIFE_S and named != radionuclide:
        fix = "Correct one of the two in the headers"
        raise _fault(where, f"half-life (0018,1075) of {named}, as (0054,0300) says", f"that of {radionuclide}", fix)


def _tracer_name(dose: Any) -> str:  # noqa: ANN401 - as above
    codes = dose.get("RadiopharmaceuticalCodeSequence") or []
    names = [str(dose.get("Radiopharmaceutical") or ""), *(str(code.get("CodeMeaning", "")) for code in codes)]
    known = [name for name in names if tracer_from_name(name)]
    return next(iter(known or filter(None, names)), "")


def _moment(date: object, time: object) -> datetime:
    digits, _, fraction = str(time).replace(":", "").partition(".")
    text = f"{str(date).replace('.', '')}{digits.ljust(6, '0')[:6]}"
    moment = datetime.strptime(text, "%Y%m%d%H%M%S")  # noqa: DTZ007 - scanners write local time
    return moment + timedelta(seconds=float(f"0.{fraction or 0}"))


def _acquired(item: DicomSlice) -> datetime:
    header = item.header
    tags = {"AcquisitionDate": "(0008,0022)", "AcquisitionTime": "(0008,0032)"}
    date, time = (_only(header, name, tag, item.path) for name, tag in tags.items())
    try:
        return _moment(date, time)
    except ValueError:
        raise _fault(item.path, "AcquisitionTime (0008,0032)", f"{date} {time}", "Correct it in the headers") from None


def _scan_start(header: Any, first: datetime, injection: datetime) -> datetime:  # noqa: ANN401 - as above
    """What START means: the series time, unless the series was made later, from images already acquired."""
    try:
        series = _moment(header.SeriesDate, header.SeriesTime)
    except (ValueError, AttributeError):
        return first
    return series if injection <= series <= first else first


def _injected(dose: Any, first: datetime, where: Path) -> datetime:  # noqa: ANN401 - as above
    try:
        if stamp := str(dose.get("RadiopharmaceuticalStartDateTime") or ""):
            injection = _moment(stamp[:8], stamp[8:].partition("+")[0].partition("-")[0])
        else:
            time = _only(dose, "RadiopharmaceuticalStartTime", "(0018,1072)", where)
            injection = _moment(f"{first:%Y%m%d}", time)
    except ValueError:
        found = str(dose.get("RadiopharmaceuticalStartDateTime") or dose.get("RadiopharmaceuticalStartTime"))
        raise _fault(where, "RadiopharmaceuticalStartTime (0018,1072)", found, "Correct it in the headers") from None
    late_s = (injection - first).total_seconds()
    half_day_s = 43200.0
    if late_s > half_day_s and not dose.get("RadiopharmaceuticalStartDateTime"):
        return injection - timedelta(days=1)  # injected before midnight
    return injection


def _duration_s(item: DicomSlice) -> float:
    return _positive(item.header, "ActualFrameDuration", "(0018,1242)", item.path, fix="in milliseconds") / _MS_PER_S
