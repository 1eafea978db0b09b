"""Kinetic models on real curves: [11C]PBR28 test and retest, 10 subjects, arterial input.

The volume of distribution of the package's voxelwise methods beside that of an independent implementation: the
two-tissue model, convolved on a grid of one second and fitted with scipy. Prints the table of
documentation/explanation/kinetics.md.

Run: GLIOFRAME_REAL_DATA=FOLDER python tests/benchmarks/kinetics_real_curves.py
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.optimize import curve_fit
from scipy.signal import fftconvolve

from glioframe.pet.delay import estimate_delay_s
from glioframe.pet.frames import FrameSchedule
from glioframe.pet.graphical import GraphicalSettings, logan
from glioframe.pet.input_function import InputFunction
from glioframe.pet.one_tissue import fit_one_tissue

REGIONS = ("FC", "TC", "STR", "THA", "WB", "CBL")
FOLDER = Path("tacs") / "kinfitr_pbr28" / "data-raw"
DELAYS_S = range(-24, 33, 2)
NUM_LOGAN_FRAMES = 10
METHODS = ("one_tissue", "logan", "two_tissue")


@dataclass(frozen=True)
class Scan:
    name: str
    schedule: FrameSchedule
    curves: np.ndarray  # (t, regions)
    weights: np.ndarray  # (t,)
    blood: InputFunction


def load_scans(real_data: Path) -> list[Scan]:
    curves = pd.read_csv(real_data / FOLDER / "pbr28_tacdata.csv")
    blood = pd.read_csv(real_data / FOLDER / "pbr28_blooddata.csv")
    return [_scan(name, curves[name == curves.PET], blood[name == blood.PET]) for name in curves.PET.unique()]


def _scan(name: str, curves: pd.DataFrame, blood: pd.DataFrame) -> Scan:
    # The first row is no frame; the last frames outlast the blood samples, also once these are moved 24 s earlier.
    end_s = curves.StartTime + curves.Duration
    frames = curves[(curves.Duration > 0) & (end_s <= blood.Time.max() + min(DELAYS_S))]
    plasma, whole_blood = (blood[column].clip(lower=0).to_numpy() for column in ("Cpl_metabcorr", "Cbl_dispcorr"))
    sampled = InputFunction(time_s=blood.Time.to_numpy(np.float64), plasma=plasma, whole_blood=whole_blood)
    schedule = FrameSchedule(tuple(frames.StartTime), tuple(frames.Duration))
    tissue = frames[list(REGIONS)].to_numpy()
    delay_s = estimate_delay_s(tissue[:, REGIONS.index("WB")], schedule, sampled, DELAYS_S)
    return Scan(name, schedule, tissue, frames.Weights.to_numpy(), sampled.shifted(delay_s))


def volumes(scan: Scan, method: str) -> np.ndarray:
    """VT of each region [mL/cm3] by one of the package's methods."""
    if method == "one_tissue":
        return fit_one_tissue(scan.curves, scan.schedule, scan.blood, weights=scan.weights).vt_ml_cm3.value
    settings = GraphicalSettings(t_star_s=scan.schedule.mid_s[-NUM_LOGAN_FRAMES])
    lines = logan(scan.curves, scan.schedule, scan.blood, settings=settings, weights=scan.weights)
    return lines.slope.value


class IndependentTwoTissue:
    """The two-tissue model by Fourier convolution and nonlinear least squares: nothing of the package in it."""

    START = (0.1, 0.1, 0.05, 0.05, 0.05)
    BOUNDS = ((1e-3, 1e-3, 1e-4, 5e-3, 0.0), (1.0, 2.0, 1.0, 0.5, 0.4))

    def __init__(self, scan: Scan) -> None:
        self.scan = scan
        seconds = np.arange(int(scan.schedule.end_s[-1]) + 1)
        self.minutes = seconds / 60
        self.plasma = np.interp(seconds, scan.blood.time_s, scan.blood.plasma)
        self.whole_blood = np.interp(seconds, scan.blood.time_s, scan.blood.whole_blood)
        self.starts = np.array(scan.schedule.start_s, int)
        self.ends = np.array(scan.schedule.end_s, int)

    def frames(self, _: np.ndarray, k1: float, k2: float, k3: float, k4: float, vb: float) -> np.ndarray:
        total = k2 + k3 + k4
        root = np.sqrt(total**2 - 4 * k2 * k4)
        slow, fast = (total - root) / 2, (total + root) / 2
        response = (k3 + k4 - slow) * np.exp(-slow * self.minutes) + (fast - k3 - k4) * np.exp(-fast * self.minutes)
        tissue = fftconvolve(self.plasma, k1 / (fast - slow) * response)[: len(self.minutes)] / 60
        running = np.concatenate([[0.0], np.cumsum((1 - vb) * tissue + vb * self.whole_blood)])
        return (running[self.ends] - running[self.starts]) / (self.ends - self.starts)

    def volume(self, region: int) -> float:
        """VT of one region; the scale is taken out so that the fit sees numbers near one."""
        used = self.scan.weights > 0
        sigma = np.where(used, 1 / np.sqrt(np.where(used, self.scan.weights, 1.0)), 1e6)
        measured = self.scan.curves[:, region]
        (k1, k2, k3, k4, _), _ = curve_fit(
            self.frames,
            np.arange(len(measured)),
            measured,
            p0=self.START,
            bounds=self.BOUNDS,
            sigma=sigma,
            x_scale=(0.1, 0.1, 0.05, 0.05, 0.05),
        )
        return k1 / k2 * (1 + k3 / k4)


def all_volumes(scans: list[Scan], regions: tuple[str, ...] = REGIONS) -> dict[str, np.ndarray]:
    """By method, VT of every scan and region ``(scans, regions)``."""
    columns = [REGIONS.index(region) for region in regions]
    table = {method: np.stack([volumes(scan, method)[columns] for scan in scans]) for method in METHODS[:2]}
    independent = [[IndependentTwoTissue(scan).volume(column) for column in columns] for scan in scans]
    return table | {"two_tissue": np.array(independent)}


def absolute_variability(vt: np.ndarray) -> np.ndarray:
    """Percent difference of test and retest, over their mean ``(subjects, ...)``; scans come in pairs."""
    return 200 * np.abs(vt[0::2] - vt[1::2]) / (vt[0::2] + vt[1::2])


def intraclass_correlation(vt: np.ndarray) -> np.ndarray:
    """ICC(1,1) of test and retest over subjects, per region."""
    pairs = np.stack([vt[0::2], vt[1::2]])
    between = 2 * pairs.mean(axis=0).var(axis=0, ddof=1)
    within = pairs.var(axis=0, ddof=1).mean(axis=0)
    return (between - within) / (between + within)


def main() -> int:
    scans = load_scans(Path(os.environ["GLIOFRAME_REAL_DATA"]))
    table = all_volumes(scans)
    independent = table["two_tissue"]
    print("| method | region | mean VT [mL/cm3] | over 2TCM | r with 2TCM | test-retest [%] | ICC |")
    print("| --- | --- | ---: | ---: | ---: | ---: | ---: |")
    for method, vt in table.items():
        variability, reliability = absolute_variability(vt), intraclass_correlation(vt)
        for column, region in enumerate(REGIONS):
            ratio = np.median(vt[:, column] / independent[:, column])
            correlation = np.corrcoef(vt[:, column], independent[:, column])[0, 1]
            numbers = f"{vt[:, column].mean():.2f} | {ratio:.3f} | {correlation:.3f} | "
            numbers += f"{variability[:, column].mean():.1f} +/- {variability[:, column].std(ddof=1):.1f} | "
            print(f"| {method} | {region} | {numbers}{reliability[column]:.2f} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
