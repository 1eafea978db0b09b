"""How long the full set of maps of a dynamic PET takes, in seconds and memory, and against one fit per voxel.

128 x 128 x 80 voxels, 30 frames of 60 s, [18F]FDOPA with noise; every map with its standard error. One-tissue maps
are also made voxel by voxel with scipy.optimize.curve_fit on a sample, in the same run.

Run: python tests/benchmarks/kinetics.py
"""

from __future__ import annotations

import argparse
import resource
import sys
import time

import numpy as np
from scipy.optimize import curve_fit
from scipy.signal import fftconvolve

from glioframe.core.modality import Tracer
from glioframe.pet.decay import half_life_s
from glioframe.pet.frames import FrameSchedule
from glioframe.pet.graphical import GraphicalSettings, logan, patlak, reference_logan, reference_patlak
from glioframe.pet.input_function import population_input
from glioframe.pet.irreversible import fit_irreversible
from glioframe.pet.noise import add_noise, noise_level, noise_sigma, noise_weights
from glioframe.pet.one_tissue import fit_one_tissue
from glioframe.pet.semi_quantitative import area_under_curve_min, early_to_late_ratio, late_slope_per_h
from glioframe.pet.static import window_mean
from glioframe.pet.time_to_peak import frame_time_to_peak_s, smoothed_time_to_peak_s, spline_time_to_peak_s
from glioframe.pet.tissue_tables import FDOPA_TISSUES
from glioframe.pet.two_tissue import two_tissue_frames

SHAPE_ZYX = (80, 128, 128)
SCHEDULE = FrameSchedule.from_pattern("30x60")
BOLUS = population_input(Tracer.FDOPA, end_s=1800)
HALF_LIFE_S = half_life_s("F18")
LAST_FRAME_CV = 0.17
STATIC_S = (600.0, 1800.0)
PROMISED_S, PROMISED_GB, PROMISED_RATIO = 60.0, 4.0, 100.0


def simulate() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A head of blocks of tissue in air ``(t, z, y, x)``, its brain mask, and the noise of each frame ``(t,)``."""
    rng = np.random.default_rng(0)
    curves = np.stack([two_tissue_frames(tissue, BOLUS, SCHEDULE) for tissue in FDOPA_TISSUES.values()])
    blocks = rng.integers(len(curves), size=tuple(extent // 8 for extent in SHAPE_ZYX))
    tissue = np.kron(blocks, np.ones((8, 8, 8), int))
    z, y, x = np.meshgrid(*(np.linspace(-1, 1, extent) for extent in SHAPE_ZYX), indexing="ij")
    mask = z**2 + y**2 + x**2 < 0.9**2
    reference = two_tissue_frames(FDOPA_TISSUES["reference"], BOLUS, SCHEDULE)
    level = noise_level(reference, SCHEDULE, half_life_s=HALF_LIFE_S, last_frame_cv=LAST_FRAME_CV)
    sigma = noise_sigma(reference, SCHEDULE, half_life_s=HALF_LIFE_S, level=level)
    series = np.empty((SCHEDULE.num_frames, *SHAPE_ZYX), np.float32)
    for frame, (values, spread) in enumerate(zip(curves.T, sigma, strict=True)):
        series[frame] = add_noise(values[tissue] * mask, np.full(1, spread), rng)
    return series, mask, sigma


def curve_fit_seconds_per_voxel(series: np.ndarray, mask: np.ndarray, sigma: np.ndarray, num_voxels: int) -> float:
    """The same model by nonlinear least squares, one voxel after the other, convolved on a grid of one second."""
    seconds = np.arange(SCHEDULE.end_s[-1])
    plasma, whole_blood = BOLUS.plasma_at(seconds), BOLUS.whole_blood_at(seconds)

    def frames(_: np.ndarray, k1: float, k2: float, vb: float) -> np.ndarray:
        tissue = fftconvolve(plasma, k1 * np.exp(-k2 * seconds / 60))[: len(seconds)] / 60
        return ((1 - vb) * tissue + vb * whole_blood).reshape(SCHEDULE.num_frames, -1).mean(axis=1)

    chosen = np.random.default_rng(1).choice(np.flatnonzero(mask), num_voxels, replace=False)
    curves = series.reshape(SCHEDULE.num_frames, -1)[:, chosen].T
    bounds = ((0, 0.005, 0), (2, 2, 1))
    start_s = time.perf_counter()
    for curve in curves:
        curve_fit(frames, seconds[:30], curve, p0=(0.1, 0.1, 0.05), sigma=sigma, bounds=bounds, max_nfev=200)
    return (time.perf_counter() - start_s) / num_voxels


def make_all_maps(series: np.ndarray, mask: np.ndarray | None, sigma: np.ndarray) -> dict[str, float]:
    """The seconds that each group of maps takes."""
    reference = two_tissue_frames(FDOPA_TISSUES["reference"], BOLUS, SCHEDULE)
    weights = noise_weights(reference, SCHEDULE, half_life_s=HALF_LIFE_S)
    late, k2_reference = GraphicalSettings(t_star_s=600.0), FDOPA_TISSUES["reference"].k2_per_min
    early_s = (300.0, 600.0)
    steps = {
        "one-tissue: K1 k2 VT Vb TTP": lambda: fit_one_tissue(series, SCHEDULE, BOLUS, weights=weights, mask=mask),
        "irreversible: Ki": lambda: fit_irreversible(series, SCHEDULE, BOLUS, weights=weights, mask=mask),
        "Patlak": lambda: patlak(series, SCHEDULE, BOLUS, settings=late, mask=mask),
        "Logan": lambda: logan(series, SCHEDULE, BOLUS, settings=late, mask=mask),
        "reference Patlak": lambda: reference_patlak(series, SCHEDULE, reference, settings=late, mask=mask),
        "reference Logan": lambda: reference_logan(
            series, SCHEDULE, reference, settings=late, k2_reference_per_min=k2_reference, mask=mask
        ),
        "static window": lambda: window_mean(series, SCHEDULE, start_s=600, stop_s=1800, sigma=sigma),
        "late slope": lambda: late_slope_per_h(series, SCHEDULE, window_s=STATIC_S, sigma=sigma),
        "area": lambda: area_under_curve_min(series, SCHEDULE, window_s=STATIC_S, sigma=sigma),
        "early/late": lambda: early_to_late_ratio(series, SCHEDULE, early_s=early_s, late_s=STATIC_S, sigma=sigma),
        "TTP of frames": lambda: frame_time_to_peak_s(series, SCHEDULE),
        "TTP smoothed": lambda: smoothed_time_to_peak_s(series, SCHEDULE),
        "TTP of spline": lambda: spline_time_to_peak_s(series, SCHEDULE, sigma=sigma),
    }
    taken_s = {}
    for name, make in steps.items():
        start_s = time.perf_counter()
        make()
        taken_s[name] = time.perf_counter() - start_s
    return taken_s


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--voxels", type=int, default=100, help="sample of the loop of one fit per voxel")
    parser.add_argument("--everywhere", action="store_true", help="fit air as well, not only the brain")
    arguments = parser.parse_args()
    series, mask, sigma = simulate()
    taken_s = make_all_maps(series, None if arguments.everywhere else mask, sigma)
    num_fitted = mask.size if arguments.everywhere else int(mask.sum())
    total_s, peak_gb = sum(taken_s.values()), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    for name, step_s in taken_s.items():
        print(f"{name:<32}{step_s:8.2f} s")
    loop_s = curve_fit_seconds_per_voxel(series, mask, sigma, arguments.voxels)
    ratio = loop_s / (taken_s["one-tissue: K1 k2 VT Vb TTP"] / num_fitted)
    print(f"{'all maps':<32}{total_s:8.2f} s for {num_fitted} fitted of {mask.size} voxels (promise {PROMISED_S:g} s)")
    print(f"{'peak memory':<32}{peak_gb:8.2f} GB (promise {PROMISED_GB:g} GB)")
    print(f"{'curve_fit, one voxel':<32}{1000 * loop_s:8.2f} ms, {ratio:.0f} x slower (promise {PROMISED_RATIO:g} x)")
    kept = total_s <= PROMISED_S and peak_gb <= PROMISED_GB and ratio >= PROMISED_RATIO
    print("promises kept" if kept else "promises BROKEN")
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
