"""Time-activity curves of the calibrated tissues, computed apart from the package: recursion on a fine time grid.

Constants and the values that they must lead to are those of the published calibration tables: mean SUV in the static
window, the time to peak in minutes for two frame schedules, and the late slope in SUV per hour.
"""

from dataclasses import dataclass

import numpy as np
from scipy.signal import lfilter

from glioframe.pet.frames import FrameSchedule

STEP_MIN = 1 / 600
HALF_LIFE_MIN = 109.77

# tracer: (amplitudes and rates of the plasma curve, whole blood over plasma)
PLASMA = {
    "fdopa": ((96.755, 2.487, 2.366), (4.1339, 0.1191, 0.0104), 0.90),
    "fet": ((141.219, 1.041, 2.230), (4.1339, 0.1000, 0.0045), 0.95),
}


@dataclass(frozen=True)
class TissueRow:
    tracer: str
    name: str
    K1: float
    k2: float
    k3: float
    k4: float
    blood_fraction: float
    suv: float
    time_to_peak_min: tuple[float, float]
    slope_per_h: float


ROWS = [
    TissueRow("fet", "white matter", 0.016, 0.045, 0.018, 0.045, 0.02, 0.72, (34.7, 47.5), 0.40),
    TissueRow("fet", "gray matter", 0.030, 0.055, 0.020, 0.045, 0.04, 1.20, (34.7, 47.5), 0.54),
    TissueRow("fet", "striatum", 0.029, 0.055, 0.020, 0.045, 0.04, 1.17, (34.7, 47.5), 0.52),
    TissueRow("fet", "reference", 0.025, 0.050, 0.019, 0.045, 0.03, 1.05, (34.7, 47.5), 0.53),
    TissueRow("fet", "bulk", 0.165, 0.188, 0.020, 0.060, 0.06, 2.31, (12.2, 12.5), -0.51),
    TissueRow("fet", "hot spot", 0.327, 0.258, 0.020, 0.080, 0.08, 3.16, (7.2, 9.5), -1.11),
    TissueRow("fet", "decoy", 0.212, 0.147, 0.020, 0.045, 0.05, 3.79, (24.7, 22.5), -0.22),
    TissueRow("fet", "IDH-mutant", 0.111, 0.141, 0.020, 0.045, 0.04, 2.11, (24.7, 22.5), -0.10),
    TissueRow("fet", "oligodendroglioma", 0.163, 0.159, 0.020, 0.045, 0.05, 2.74, (17.2, 18.5), -0.23),
    TissueRow("fet", "accumulating", 0.076, 0.111, 0.020, 0.045, 0.03, 1.79, (34.7, 32.5), 0.10),
    TissueRow("fet", "progression", 0.189, 0.180, 0.020, 0.060, 0.06, 2.74, (17.2, 15.5), -0.57),
    TissueRow("fet", "necrosis", 0.061, 0.084, 0.012, 0.045, 0.03, 1.69, (34.7, 32.5), 0.12),
    TissueRow("fdopa", "white matter", 0.019, 0.055, 0, 0, 0.02, 0.70, (22.5, 17.5), 0.19),
    TissueRow("fdopa", "gray matter", 0.032, 0.065, 0, 0, 0.04, 1.06, (19.5, 17.5), 0.04),
    TissueRow("fdopa", "cerebellum", 0.033, 0.070, 0, 0, 0.04, 1.05, (17.5, 17.5), -0.07),
    TissueRow("fdopa", "striatum", 0.046, 0.060, 0.045, 0.004, 0.04, 1.88, (29.5, 17.5), 1.98),
    TissueRow("fdopa", "reference", 0.027, 0.060, 0, 0, 0.03, 0.94, (20.5, 17.5), 0.15),
    TissueRow("fdopa", "IDH-wildtype", 0.252, 0.340, 0, 0, 0.06, 1.80, (4.5, 4.5), -2.87),
    TissueRow("fdopa", "hot spot", 0.368, 0.399, 0, 0, 0.08, 2.18, (4.5, 4.5), -3.46),
    TissueRow("fdopa", "decoy", 0.191, 0.171, 0, 0, 0.05, 2.75, (8.5, 7.5), -3.44),
    TissueRow("fdopa", "IDH-mutant", 0.176, 0.256, 0, 0, 0.05, 1.71, (6.5, 7.5), -2.63),
    TissueRow("fdopa", "oligodendroglioma", 0.156, 0.195, 0, 0, 0.05, 1.99, (7.5, 7.5), -2.75),
    TissueRow("fdopa", "progression", 0.212, 0.228, 0, 0, 0.06, 2.29, (6.5, 7.5), -3.40),
    TissueRow("fdopa", "necrosis", 0.063, 0.107, 0, 0, 0.03, 1.43, (12.5, 12.5), -0.92),
]


def find_row(tracer: str, name: str) -> TissueRow:
    return next(row for row in ROWS if (row.tracer, row.name) == (tracer, name))


def frame_means(row: TissueRow, schedule: FrameSchedule) -> np.ndarray:
    """The SUV of a tissue, averaged over each frame, ``(t,)``."""
    amplitudes, rates, blood_over_plasma = PLASMA[row.tracer]
    time = np.arange(0, schedule.end_s[-1] / 60 + STEP_MIN / 2, STEP_MIN)
    plasma = (amplitudes[0] * time - amplitudes[1] - amplitudes[2]) * np.exp(-rates[0] * time)
    plasma += amplitudes[1] * np.exp(-rates[1] * time) + amplitudes[2] * np.exp(-rates[2] * time)
    tissue = sum(weight * convolve(plasma, rate) for weight, rate in exponentials(row))
    total = (1 - row.blood_fraction) * tissue + row.blood_fraction * blood_over_plasma * plasma
    integral = np.concatenate([[0], np.cumsum((total[1:] + total[:-1]) / 2 * STEP_MIN)])
    start, end = np.array(schedule.start_s) / 60, np.array(schedule.end_s) / 60
    return (np.interp(end, time, integral) - np.interp(start, time, integral)) / (end - start)


def exponentials(row: TissueRow) -> list[tuple[float, float]]:
    if row.k3 == 0:
        return [(row.K1, row.k2)]
    total = row.k2 + row.k3 + row.k4
    root = np.sqrt(total**2 - 4 * row.k2 * row.k4)
    slow, fast = (total - root) / 2, (total + root) / 2
    scale = row.K1 / (fast - slow)
    return [(scale * (row.k3 + row.k4 - slow), slow), (scale * (fast - row.k3 - row.k4), fast)]


def convolve(plasma: np.ndarray, rate: float) -> np.ndarray:
    decay = np.exp(-rate * STEP_MIN)
    steps = np.concatenate([[0], (plasma[1:] + plasma[:-1] * decay) / 2 * STEP_MIN])
    return lfilter([1], [1, -decay], steps)


def frame_sigma(curve: np.ndarray, schedule: FrameSchedule, *, last_frame_cv: float) -> np.ndarray:
    """Noise of counting: ``sigma ~ sqrt(C exp(lambda t) / duration)``, scaled to a CV of the last frame."""
    decay = np.exp(np.log(2) / HALF_LIFE_MIN * np.array(schedule.mid_s) / 60)
    sigma = np.sqrt(np.maximum(curve, 1e-3) * decay / np.array(schedule.duration_s))
    return sigma / sigma[-1] * last_frame_cv * curve[-1]
