"""Extraction of radiomic features against PyRadiomics itself: time, memory, and whether the values are the same.

    python tests/benchmarks/radiomics_extraction.py --num-cases 20

The seconds of the clock hold the start of the workers, a few seconds whatever the number of cases. On a machine with
other load, look at the seconds of the processors, summed over all processes.

Makes preprocessed cases with a lesion in two MRI and three PET channels, and extracts them by turns with PyRadiomics'
extractor in one process, once as it comes and once with everything switched off that a careful user can switch off
(provenance, shape in all channels but one, search of the whole image), and with glioframe in two processes.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import radiomics
import SimpleITK as sitk  # noqa: N813 - its usual name
from joblib.externals.loky import get_reusable_executor
from radiomics.featureextractor import RadiomicsFeatureExtractor

sys.path.insert(0, str(Path(__file__).parents[1]))

from glioframe.artifacts.case import CaseProperties, PreprocessedCase, load_preprocessed_case, properties_path
from glioframe.artifacts.dataset import Channel, DatasetDescription
from glioframe.artifacts.json_file import save_json
from glioframe.artifacts.plan import ChannelPlan, Normalization, Plan
from glioframe.core.modality import Modality, Tracer, Unit
from glioframe.imaging.array_store import load_array, save_array
from glioframe.task_api.run import Run
from glioframe.tasks.radiomics_baseline.case_features import extract_cases
from glioframe.tasks.radiomics_baseline.extraction_settings import BIN_WIDTHS
from glioframe.tasks.radiomics_baseline.settings import Settings
from training_builders import make_plan

MRI = [Channel(name=name, modality=Modality(name)) for name in ("t1c", "t2f")]
PET = Channel(name="fet", modality=Modality.PET_DYNAMIC, tracer=Tracer.FET, unit=Unit.BQ_ML)
MAPS = ("static_tbr", "time_to_peak_min", "late_slope_per_h")
PARTS = ("default", "lean", "glioframe")
MAKE = "make"
MIB = 1024


def five_channel_plan() -> Plan:
    weighted = [ChannelPlan(source=channel, normalization=Normalization(scheme="robust_z_score")) for channel in MRI]
    scaled = Normalization(scheme="fixed_scale", scale=1.0)
    maps = [ChannelPlan(source=PET, recipe=recipe, normalization=scaled) for recipe in MAPS]
    return replace(make_plan(), channels=(*weighted, *maps))


def make_case(folder: Path, index: int, *, edge_vox: int) -> None:
    """A lesion of 20 to 60 mL, at 1.5 mm, with blobs and noise in every channel."""
    rng = np.random.default_rng([3, index])
    shape = (edge_vox, edge_vox + 16, edge_vox)
    center = np.array(shape) / 2 + rng.uniform(-10, 10, 3)
    radius = rng.uniform(11, 16, 3)
    grid = np.indices(shape, dtype=np.float32)
    distance = sum(((grid[axis] - center[axis]) / radius[axis]) ** 2 for axis in range(3))
    lesion = distance < 1
    image = np.stack([rng.standard_normal(shape).astype(np.float32) for _ in range(5)])
    bumps = np.exp(-distance)
    image[0] += 2 * bumps
    image[2] = 1 + 2 * bumps + 0.3 * image[2]
    image[3] = 10 + 6 * bumps + 3 * image[3]
    image[4] = bumps + 0.4 * image[4]
    affine = tuple(
        tuple(1.5 * (row == column) if row < 3 else float(row == column) for column in range(4)) for row in range(4)
    )
    properties = CaseProperties(
        case_id=f"case{index:03d}",
        shape_vox=shape,
        spacing_mm=(1.5, 1.5, 1.5),
        affine=affine,
        original_shape_vox=shape,
        original_affine=affine,
        brain_box_vox=tuple((0, size) for size in shape),
        channels_present=(True,) * 5,
        has_lesion_label=True,
        lesion_center_vox=tuple(map(float, center)),
        planned_hash="",
        preprocessing_hash=str(index),
    )
    case = PreprocessedCase(folder=folder, properties=properties)
    save_array(image, case.image_path)
    save_array(lesion.astype(np.int8), case.label_path)
    save_json(properties, properties_path(folder, case.case_id))


def as_volume(array: np.ndarray) -> sitk.Image:
    volume = sitk.GetImageFromArray(array)
    volume.SetSpacing((1.5, 1.5, 1.5))
    return volume


def by_pyradiomics(folder: Path, case_ids: list[str], *, lean: bool) -> dict[str, dict[str, float]]:
    """Every case and channel through PyRadiomics' extractor, in this process."""
    radiomics.setVerbosity(60)
    how = [{"binCount": 32, "resegmentRange": [-3, 3], "resegmentMode": "sigma"}] * 2
    widths = ("tbr", *MAPS[1:])
    how += [{"binWidth": BIN_WIDTHS[name]} for name in widths]
    extractors = [RadiomicsFeatureExtractor(**settings, additionalInfo=not lean, preCrop=lean) for settings in how]
    if lean:
        for extractor in extractors[1:]:
            extractor.disableAllFeatures()
            for name in ("firstorder", "glcm", "glrlm", "glszm", "gldm", "ngtdm"):
                extractor.enableFeatureClassByName(name)
    found = {}
    for case_id in case_ids:
        case = load_preprocessed_case(folder, case_id)
        image, mask = load_array(case.image_path), as_volume(load_array(case.label_path).astype(np.uint8))
        features = {}
        for channel, values, extractor in zip(five_channel_plan().channels, image, extractors, strict=True):
            for name, value in extractor.execute(as_volume(values), mask).items():
                if name.startswith("original_"):
                    feature = name.removeprefix("original_")
                    owner = "lesion" if feature.startswith("shape") else channel.name
                    features[f"{owner}_{feature}"] = float(value)
        found[case_id] = features
    return found


def by_glioframe(folder: Path, case_ids: list[str], *, results: Path) -> dict[str, dict[str, float]]:
    plan = five_channel_plan()
    configuration = replace(plan.configuration("3d_cnn"), spacing_mm=(1.5, 1.5, 1.5))
    run = Run(
        folder=results,
        dataset=DatasetDescription(name="Benchmark", channels=(*MRI, PET)),
        plan=plan,
        configuration=configuration,
        settings=Settings(num_workers=2),
        target=None,
        fold=0,
        train_cases=(),
        val_cases=(),
        preprocessed_folder=folder,
    )
    found = dict(zip(case_ids, extract_cases(run, case_ids), strict=True))
    get_reusable_executor().shutdown(wait=True)  # so that the workers' memory is known
    return found


def extract(part: str, folder: Path, output: Path) -> None:
    """One way of extraction, in a process of its own."""
    case_ids = sorted(path.stem for path in folder.glob("*.json"))
    if part == "glioframe":
        for path in (folder / "cache").rglob("*.json"):
            path.unlink()
    start = time.perf_counter()
    found = (
        by_glioframe(folder, case_ids, results=output.parent)
        if part == "glioframe"
        else by_pyradiomics(folder, case_ids, lean=part == "lean")
    )
    seconds = time.perf_counter() - start
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    measured = {
        "seconds": seconds,
        "cpu_seconds": sum(usage.ru_utime + usage.ru_stime for usage in usages),
        "peak_mib": max(usage.ru_maxrss for usage in usages) / MIB,
    }
    print(f"{part:10s}", ", ".join(f"{name} {value:.1f}" for name, value in measured.items()), flush=True)
    output.write_text(json.dumps({**measured, "features": found}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--num-cases", type=int, default=20)
    parser.add_argument("--edge-vox", type=int, default=112)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--part", choices=(*PARTS, MAKE), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.part == MAKE:
        for index in range(arguments.num_cases):
            make_case(arguments.folder, index, edge_vox=arguments.edge_vox)
        return
    if arguments.part:
        extract(arguments.part, arguments.folder, arguments.folder.parent / f"{arguments.part}.json")
        return
    with tempfile.TemporaryDirectory() as root:
        folder = Path(root) / "cases"
        folder.mkdir()
        # In a process of its own: the largest memory that a process ever had is handed on to its children.
        size = [f"--num-cases={arguments.num_cases}", f"--edge-vox={arguments.edge_vox}"]
        subprocess.run([sys.executable, __file__, "--part", MAKE, "--folder", str(folder), *size], check=True)
        results: dict[str, list[dict]] = {part: [] for part in PARTS}
        for _ in range(arguments.rounds):
            for part in PARTS:
                command = [sys.executable, __file__, "--part", part, "--folder", str(folder)]
                subprocess.run(command, check=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
                results[part].append(json.loads((Path(root) / f"{part}.json").read_text()))
    for part in PARTS[:2]:
        for name in ("seconds", "cpu_seconds"):
            ratios = [a[name] / b[name] for a, b in zip(results[part], results["glioframe"], strict=True)]
            print(f"against {part}, {name}: {', '.join(f'{ratio:.1f}' for ratio in ratios)} times less")
        expected, found = results[part][0]["features"], results["glioframe"][0]["features"]
        same = sum(
            found[case][name] == value for case, features in expected.items() for name, value in features.items()
        )
        print(f"    {same} of {sum(map(len, expected.values()))} values identical")


if __name__ == "__main__":
    main()
