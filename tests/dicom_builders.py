"""PET series written as DICOM from known activities, with the decay of the scanner's own correction undone."""

import datetime as dt

import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, PositronEmissionTomographyImageStorage, generate_uid

HALF_LIFE_S = 6586.2
DOSE_BQ = 2.0e8
WEIGHT_KG = 80.0
STARTS_S, DURATIONS_S = (600.0, 660.0, 780.0), (60.0, 120.0, 300.0)
INJECTION = dt.datetime(2024, 3, 1, 9, 30, 0)  # noqa: DTZ001 - scanners write local time
MODES = ("START", "ADMIN", "NONE")


def truth(shape=(3, 4, 6, 5)):
    """Activity at injection, Bq/mL, (t, z, y, x) with z from below and y, x in DICOM's order."""
    return np.random.default_rng(4).uniform(1000, 9000, shape)


def scanner_factors(mode):
    """From activity at injection to what the scanner writes, by numerical integration over each frame."""
    rate = np.log(2) / HALF_LIFE_S
    if mode == "ADMIN":
        return np.ones(len(STARTS_S))
    if mode == "START":
        return np.full(len(STARTS_S), np.exp(-rate * STARTS_S[0]))
    fine = [np.linspace(start, start + length, 20001) for start, length in zip(STARTS_S, DURATIONS_S, strict=True)]
    return np.array([np.exp(-rate * times).mean() for times in fine])


def write_pet(folder, *, mode="START", edit=None, scale=1.0, activity=None):
    """Writes one dynamic series; ``edit`` changes each header before it is saved."""
    activity = truth() if activity is None else activity
    folder.mkdir(parents=True, exist_ok=True)
    stored = activity * scanner_factors(mode)[:, None, None, None] / scale
    study, series, reference = generate_uid(), generate_uid(), generate_uid()
    for t, frame in enumerate(stored):
        for z, plane in enumerate(frame):
            header = _header(mode, t, z, (study, series, reference))
            slope = float(f"{plane.max() / 32000:.8g}")
            header.RescaleSlope, header.RescaleIntercept = slope, 0
            header.PixelData = np.rint(plane / slope).astype("<i2").tobytes()
            header.Rows, header.Columns = plane.shape
            if edit:
                edit(header)
            header.save_as(folder / f"{len(stored) * z + t:03d}.dcm", enforce_file_format=True)


def _header(mode, t, z, uids):
    header = Dataset()
    header.file_meta = FileMetaDataset()
    header.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    header.SOPClassUID, header.SOPInstanceUID = PositronEmissionTomographyImageStorage, generate_uid()
    header.file_meta.MediaStorageSOPClassUID = header.SOPClassUID
    header.file_meta.MediaStorageSOPInstanceUID = header.SOPInstanceUID
    header.StudyInstanceUID, header.SeriesInstanceUID, header.FrameOfReferenceUID = uids
    header.PatientID, header.PatientName, header.PatientWeight = "P1", "P1", WEIGHT_KG
    header.Modality, header.SeriesDescription = "PT", "FDOPA dyn"
    scan = INJECTION + dt.timedelta(seconds=STARTS_S[0])
    start = INJECTION + dt.timedelta(seconds=STARTS_S[t])
    header.StudyDate = header.SeriesDate = header.AcquisitionDate = "20240301"
    header.SeriesTime, header.AcquisitionTime = f"{scan:%H%M%S}", f"{start:%H%M%S}"
    header.ActualFrameDuration = int(DURATIONS_S[t] * 1000)
    header.Units, header.DecayCorrection = "BQML", mode
    dose = Dataset()
    dose.RadiopharmaceuticalStartTime = f"{INJECTION:%H%M%S}"
    dose.RadionuclideTotalDose, dose.RadionuclideHalfLife = DOSE_BQ, HALF_LIFE_S
    dose.Radiopharmaceutical = "FDOPA"
    header.RadiopharmaceuticalInformationSequence = [dose]
    header.ImagePositionPatient, header.ImageOrientationPatient = [-10, -12, 3 * z], [1, 0, 0, 0, 1, 0]
    header.PixelSpacing, header.SliceThickness = [2, 2.5], 3
    header.SamplesPerPixel, header.PhotometricInterpretation = 1, "MONOCHROME2"
    header.BitsAllocated, header.BitsStored, header.HighBit, header.PixelRepresentation = 16, 16, 15, 1
    return header


def dose_of(header: pydicom.Dataset) -> pydicom.Dataset:
    return header.RadiopharmaceuticalInformationSequence[0]
