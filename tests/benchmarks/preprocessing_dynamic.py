"""How long one dynamic PET takes to preprocess, in seconds and memory: reading, all maps, resampling, storing.

128 x 128 x 80 voxels of 2 mm, 30 frames of 60 s, [18F]FDOPA with noise, and a T1c on the same grid: an ellipsoidal
brain with one lesion and two vessels, which is all that preprocessing looks for. The case is made once, in a process of
its own, so that the peak memory is that of preprocessing.

Run (Linux only): python tests/benchmarks/preprocessing_dynamic.py [--repeats 3] [--align]
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import tempfile
import time
from pathlib import Path

import numpy as np

from glioframe.artifacts.dataset import Channel, DatasetDescription
from glioframe.artifacts.network_plan import ResidualEncoderPlan
from glioframe.artifacts.pet_sidecar import PetSidecar, save_pet_sidecar, sidecar_path
from glioframe.artifacts.plan import (
    ChannelPlan,
    Configuration,
    DynamicPetPlan,
    FieldOfView,
    Normalization,
    Plan,
    TrainingPlan,
)
from glioframe.artifacts.raw_dataset import CaseFiles
from glioframe.core.geometry import Geometry
from glioframe.core.modality import Modality, Tracer, Unit
from glioframe.imaging.series import Series, write_series
from glioframe.imaging.volume import Volume, affine_from_array, write_volume
from glioframe.pet.frames import FrameSchedule
from glioframe.pet.input_function import population_input
from glioframe.pet.protocol import find_protocol
from glioframe.pet.tissue_tables import FDOPA_TISSUES
from glioframe.pet.two_tissue import two_tissue_frames
from glioframe.preprocessing.case import preprocess_case

SHAPE_ZYX, VOXEL_MM = (80, 128, 128), 2.0
RADII_MM = (65.0, 85.0, 68.0)  # z, y, x
SCHEDULE = FrameSchedule.from_pattern("30x60")
NOISE = 0.1
RECIPES = ("static_tbr", "time_to_peak_min", "late_slope_per_h", "k2_per_min", "vt")
CHANNELS = (
    Channel(name="t1c", modality=Modality.T1C),
    Channel(name="fdopa", modality=Modality.PET_DYNAMIC, tracer=Tracer.FDOPA, unit=Unit.SUV_BW),
)
DESCRIPTION = DatasetDescription(name="Dataset001_Benchmark", channels=CHANNELS)
BYTES_PER_GB, KIB = 1e9, 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3, help="runs, each in a process of its own")
    parser.add_argument("--align", action="store_true", help="correct the motion of the frames, too")
    arguments = parser.parse_args()
    processes = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as scratch, processes.Pool(1, maxtasksperchild=1) as pool:
        folder = Path(scratch)
        files = pool.apply(make_case, (folder,))
        for repeat in range(arguments.repeats):
            seconds, cpu_seconds, peak_gb = pool.apply(measure, (files, folder / f"run{repeat}", arguments.align))
            print(f"run {repeat}: {seconds:.1f} s, {cpu_seconds:.1f} CPU seconds, peak {peak_gb:.2f} GB", flush=True)


def measure(files: CaseFiles, folder: Path, align: bool) -> tuple[float, float, float]:
    """Seconds, CPU seconds and peak memory in GB of one case."""
    plan = make_plan(align=align)
    start, cpu_start = time.perf_counter(), time.process_time()
    preprocess_case(files, DESCRIPTION, plan, plan.configuration("3d_cnn"), folder)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * KIB / BYTES_PER_GB
    return time.perf_counter() - start, time.process_time() - cpu_start, peak


def make_case(folder: Path) -> CaseFiles:
    """Writes T1c, dynamic PET with its sidecar, and label."""
    rng = np.random.default_rng(0)
    z, y, x = np.meshgrid(*((np.arange(n) - (n - 1) / 2) * VOXEL_MM for n in SHAPE_ZYX), indexing="ij")
    brain = sum((axis / radius) ** 2 for axis, radius in zip((z, y, x), RADII_MM, strict=True)) < 1.0
    lesion = (z - 10) ** 2 + (y - 20) ** 2 + (x - 30) ** 2 < 15.0**2
    vessels = (np.abs(z + 50) < 8) & (np.abs(y) < 3) & (np.abs(np.abs(x) - 15) < 3)
    bolus = population_input(Tracer.FDOPA, end_s=SCHEDULE.end_s[-1])
    parts = (
        (brain, two_tissue_frames(FDOPA_TISSUES["reference"], bolus, SCHEDULE)),
        (lesion, two_tissue_frames(FDOPA_TISSUES["idh_wildtype_bulk"], bolus, SCHEDULE)),
        (vessels, bolus.whole_blood_frames(SCHEDULE)),
    )
    frames = np.zeros((SCHEDULE.num_frames, *SHAPE_ZYX), dtype=np.float32)
    for frame, values in enumerate(np.transpose([curve for _, curve in parts])):
        for (mask, _), value in zip(parts, values, strict=True):
            frames[frame][mask] = value
        frames[frame] *= brain * (1 + NOISE * rng.standard_normal(SHAPE_ZYX, dtype=np.float32))
    affine = np.diag([VOXEL_MM, VOXEL_MM, VOXEL_MM, 1.0])
    geometry = Geometry(shape_vox=SHAPE_ZYX, affine=affine_from_array(affine))
    paths = (folder / "case_0000.nii.gz", folder / "case_0001.nii.gz")
    t1c = brain * (400 + 100 * lesion + 20 * rng.standard_normal(SHAPE_ZYX))
    write_volume(Volume(t1c.astype(np.float32), geometry), paths[0])
    write_series(Series(frames, geometry), paths[1])
    write_volume(Volume(lesion.astype(np.int16), geometry), folder / "case.nii.gz")
    sidecar = PetSidecar(
        tracer=Tracer.FDOPA,
        tracer_name="FDOPA",
        radionuclide="F18",
        units=Unit.SUV_BW,
        frame_start_s=SCHEDULE.start_s,
        frame_duration_s=SCHEDULE.duration_s,
        injected_activity_bq=2e8,
        body_weight_kg=80.0,
    )
    save_pet_sidecar(sidecar, sidecar_path(paths[1]))
    return CaseFiles(case_id="case", channels=paths, label=folder / "case.nii.gz")


def make_plan(*, align: bool) -> Plan:
    protocol = find_protocol("fdopa_nancy_30x60")
    unscaled = Normalization(scheme="fixed_scale", scale=1.0)
    network = ResidualEncoderPlan(
        features_per_stage=(8,), blocks_per_stage=(1,), kernel_sizes=((3, 3, 3),), strides=((1, 1, 1),)
    )
    configuration = Configuration(
        name="3d_cnn",
        data_identifier="cases",
        spacing_mm=(VOXEL_MM, VOXEL_MM, VOXEL_MM),
        patch_size_vox=(64, 64, 64),
        batch_size=1,
        network=network,
        training=TrainingPlan(epochs=1, iterations_per_epoch=1),
    )
    return Plan(
        dataset_name=DESCRIPTION.name,
        channels=(
            ChannelPlan(source=CHANNELS[0], normalization=Normalization(scheme="robust_z_score")),
            *(ChannelPlan(source=CHANNELS[1], recipe=r, normalization=unscaled, interpolation=1) for r in RECIPES),
        ),
        field_of_view=FieldOfView(kind="whole_brain", extent_mm=(120.0, 120.0, 120.0)),
        dynamic_pet=DynamicPetPlan(
            protocol=protocol,
            static_window_s=protocol.static_window_s,
            slope_window_s=protocol.slope_window_s,
            stop_s=SCHEDULE.end_s[-1],
        ),
        gpu_memory_gb=4.0,
        configurations={configuration.name: configuration},
        rigid_alignment=align,
    )


if __name__ == "__main__":
    main()
