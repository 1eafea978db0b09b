"""Radiomic features: published reference values, and PyRadiomics' own way of computing them."""

import csv
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import radiomics
import SimpleITK as sitk  # noqa: N813 - its usual name
from radiomics.featureextractor import RadiomicsFeatureExtractor

from glioframe.artifacts.dataset import Channel, DatasetDescription
from glioframe.artifacts.plan import ChannelPlan, Normalization
from glioframe.core.errors import TaskError
from glioframe.core.modality import Modality, Tracer, Unit
from glioframe.inference.lesion import LesionImage
from glioframe.tasks.radiomics_baseline.case_features import features_of
from glioframe.tasks.radiomics_baseline.extraction import (
    gray_level_features,
    is_measurable,
    resampled,
    shape_features,
)
from glioframe.tasks.radiomics_baseline.extraction_settings import Discretization, extraction_settings
from glioframe.tasks.radiomics_baseline.settings import Settings
from training_builders import make_plan

needs_real_data = pytest.mark.skipif("GLIOFRAME_REAL_DATA" not in os.environ, reason="GLIOFRAME_REAL_DATA is not set")
DESCRIPTION = DatasetDescription(name="Test", channels=())
MADE_BY = {"library": "test", "version": 1}

# IBSI's name of each feature that PyRadiomics defines as IBSI does. Reference: A. Zwanenburg et al., Radiology 295
# (2020) 328-338. Of texture, its 3D matrices: averaged over directions for co-occurrence and run length.
IBSI = {
    "shape_MeshVolume": "morph_volume",
    "shape_VoxelVolume": "morph_vol_approx",
    "shape_SurfaceArea": "morph_area_mesh",
    "shape_SurfaceVolumeRatio": "morph_av",
    "shape_Sphericity": "morph_sphericity",
    "shape_Maximum3DDiameter": "morph_diam",
    "shape_Elongation": "morph_pca_elongation",
    "shape_Flatness": "morph_pca_flatness",
    "firstorder_Mean": "stat_mean",
    "firstorder_Variance": "stat_var",
    "firstorder_Skewness": "stat_skew",
    "firstorder_Median": "stat_median",
    "firstorder_Minimum": "stat_min",
    "firstorder_10Percentile": "stat_p10",
    "firstorder_90Percentile": "stat_p90",
    "firstorder_Maximum": "stat_max",
    "firstorder_InterquartileRange": "stat_iqr",
    "firstorder_Range": "stat_range",
    "firstorder_MeanAbsoluteDeviation": "stat_mad",
    "firstorder_RobustMeanAbsoluteDeviation": "stat_rmad",
    "firstorder_Energy": "stat_energy",
    "firstorder_RootMeanSquared": "stat_rms",
    "firstorder_Entropy": "ih_entropy",
    "firstorder_Uniformity": "ih_uniformity",
    "glcm_MaximumProbability": "cm_joint_max_3D_avg",
    "glcm_JointAverage": "cm_joint_avg_3D_avg",
    "glcm_SumSquares": "cm_joint_var_3D_avg",
    "glcm_JointEntropy": "cm_joint_entr_3D_avg",
    "glcm_DifferenceAverage": "cm_diff_avg_3D_avg",
    "glcm_DifferenceVariance": "cm_diff_var_3D_avg",
    "glcm_DifferenceEntropy": "cm_diff_entr_3D_avg",
    "glcm_SumAverage": "cm_sum_avg_3D_avg",
    "glcm_SumEntropy": "cm_sum_entr_3D_avg",
    "glcm_JointEnergy": "cm_energy_3D_avg",
    "glcm_Contrast": "cm_contrast_3D_avg",
    "glcm_Id": "cm_inv_diff_3D_avg",
    "glcm_Idn": "cm_inv_diff_norm_3D_avg",
    "glcm_Idm": "cm_inv_diff_mom_3D_avg",
    "glcm_Idmn": "cm_inv_diff_mom_norm_3D_avg",
    "glcm_InverseVariance": "cm_inv_var_3D_avg",
    "glcm_Correlation": "cm_corr_3D_avg",
    "glcm_Autocorrelation": "cm_auto_corr_3D_avg",
    "glcm_ClusterTendency": "cm_clust_tend_3D_avg",
    "glcm_ClusterShade": "cm_clust_shade_3D_avg",
    "glcm_ClusterProminence": "cm_clust_prom_3D_avg",
    "glcm_Imc1": "cm_info_corr1_3D_avg",
    "glcm_Imc2": "cm_info_corr2_3D_avg",
    "glrlm_ShortRunEmphasis": "rlm_sre_3D_avg",
    "glrlm_LongRunEmphasis": "rlm_lre_3D_avg",
    "glrlm_LowGrayLevelRunEmphasis": "rlm_lgre_3D_avg",
    "glrlm_HighGrayLevelRunEmphasis": "rlm_hgre_3D_avg",
    "glrlm_ShortRunLowGrayLevelEmphasis": "rlm_srlge_3D_avg",
    "glrlm_ShortRunHighGrayLevelEmphasis": "rlm_srhge_3D_avg",
    "glrlm_LongRunLowGrayLevelEmphasis": "rlm_lrlge_3D_avg",
    "glrlm_LongRunHighGrayLevelEmphasis": "rlm_lrhge_3D_avg",
    "glrlm_GrayLevelNonUniformity": "rlm_glnu_3D_avg",
    "glrlm_GrayLevelNonUniformityNormalized": "rlm_glnu_norm_3D_avg",
    "glrlm_RunLengthNonUniformity": "rlm_rlnu_3D_avg",
    "glrlm_RunLengthNonUniformityNormalized": "rlm_rlnu_norm_3D_avg",
    "glrlm_RunPercentage": "rlm_r_perc_3D_avg",
    "glrlm_GrayLevelVariance": "rlm_gl_var_3D_avg",
    "glrlm_RunVariance": "rlm_rl_var_3D_avg",
    "glrlm_RunEntropy": "rlm_rl_entr_3D_avg",
    "glszm_SmallAreaEmphasis": "szm_sze_3D",
    "glszm_LargeAreaEmphasis": "szm_lze_3D",
    "glszm_LowGrayLevelZoneEmphasis": "szm_lgze_3D",
    "glszm_HighGrayLevelZoneEmphasis": "szm_hgze_3D",
    "glszm_SmallAreaLowGrayLevelEmphasis": "szm_szlge_3D",
    "glszm_SmallAreaHighGrayLevelEmphasis": "szm_szhge_3D",
    "glszm_LargeAreaLowGrayLevelEmphasis": "szm_lzlge_3D",
    "glszm_LargeAreaHighGrayLevelEmphasis": "szm_lzhge_3D",
    "glszm_GrayLevelNonUniformity": "szm_glnu_3D",
    "glszm_GrayLevelNonUniformityNormalized": "szm_glnu_norm_3D",
    "glszm_SizeZoneNonUniformity": "szm_zsnu_3D",
    "glszm_SizeZoneNonUniformityNormalized": "szm_zsnu_norm_3D",
    "glszm_ZonePercentage": "szm_z_perc_3D",
    "glszm_GrayLevelVariance": "szm_gl_var_3D",
    "glszm_ZoneVariance": "szm_zs_var_3D",
    "glszm_ZoneEntropy": "szm_zs_entr_3D",
    "gldm_SmallDependenceEmphasis": "ngl_lde_3D",
    "gldm_LargeDependenceEmphasis": "ngl_hde_3D",
    "gldm_LowGrayLevelEmphasis": "ngl_lgce_3D",
    "gldm_HighGrayLevelEmphasis": "ngl_hgce_3D",
    "gldm_SmallDependenceLowGrayLevelEmphasis": "ngl_ldlge_3D",
    "gldm_SmallDependenceHighGrayLevelEmphasis": "ngl_ldhge_3D",
    "gldm_LargeDependenceLowGrayLevelEmphasis": "ngl_hdlge_3D",
    "gldm_LargeDependenceHighGrayLevelEmphasis": "ngl_hdhge_3D",
    "gldm_GrayLevelNonUniformity": "ngl_glnu_3D",
    "gldm_DependenceNonUniformity": "ngl_dcnu_3D",
    "gldm_DependenceNonUniformityNormalized": "ngl_dcnu_norm_3D",
    "gldm_GrayLevelVariance": "ngl_gl_var_3D",
    "gldm_DependenceVariance": "ngl_dc_var_3D",
    "gldm_DependenceEntropy": "ngl_dc_entr_3D",
    "ngtdm_Coarseness": "ngt_coarseness_3D",
    "ngtdm_Contrast": "ngt_contrast_3D",
    "ngtdm_Busyness": "ngt_busyness_3D",
    "ngtdm_Complexity": "ngt_complexity_3D",
    "ngtdm_Strength": "ngt_strength_3D",
}
AXES = {
    "shape_MajorAxisLength": "morph_pca_maj_axis",
    "shape_MinorAxisLength": "morph_pca_min_axis",
    "shape_LeastAxisLength": "morph_pca_least_axis",
}


def real_data() -> Path:
    return Path(os.environ["GLIOFRAME_REAL_DATA"]) / "radiomics"


def read(path: Path) -> tuple[np.ndarray, tuple[float, float, float]]:
    image = sitk.ReadImage(str(path))
    return sitk.GetArrayFromImage(image), tuple(reversed(image.GetSpacing()))


def all_features(image, mask, *, spacing_mm, how):
    return shape_features(mask, spacing_mm=spacing_mm) | gray_level_features(
        image, mask, spacing_mm=spacing_mm, how=how
    )


def ibsi_phantom() -> tuple[dict[str, float], dict[str, tuple[float, float]], int]:
    """Our features of the phantom, the consensus with the tolerance of each value, and the voxels of the region."""
    folder = real_data() / "ibsi1_digital_phantom"
    image, spacing_mm = read(folder / "nifti" / "image" / "phantom.nii.gz")
    mask, _ = read(folder / "nifti" / "mask" / "mask.nii.gz")
    how = Discretization(quantity="", bin_width=1.0)
    features = all_features(image, mask > 0, spacing_mm=spacing_mm, how=how)
    consensus = {}
    with (folder / "ibsi_1_dig_phantom.csv").open() as stream:
        for row in csv.DictReader(stream, delimiter=";"):
            text = row["reference value"]
            if text:
                consensus[row["tag"]] = (float(text), max(float(row["tolerance"]), half_a_digit(text)))
    return features, consensus, int((mask > 0).sum())


def half_a_digit(text: str) -> float:
    """How far a number may be from one that was rounded to three digits, or fewer where fewer are significant."""
    value = abs(float(text))
    digits_after = len(text.partition(".")[2])
    step = 10.0 ** (np.floor(np.log10(value)) - 2) if value >= 100 else 10.0**-digits_after
    return step / 2 * (1 + 1e-9)


@needs_real_data
def test_the_ibsi_phantom_has_its_consensus_values():
    features, consensus, _ = ibsi_phantom()
    wrong = {
        name: (features[name], consensus[tag])
        for name, tag in IBSI.items()
        if abs(features[name] - consensus[tag][0]) > consensus[tag][1]
    }
    assert not wrong
    # All but three axes, three diameters in planes, kurtosis, total energy and the maximal correlation coefficient.
    assert len(features) - len(IBSI) == len(features.keys() - IBSI.keys()) == 9


@needs_real_data
def test_where_definitions_differ_from_ibsi_they_differ_as_documented():
    features, consensus, num_voxels = ibsi_phantom()
    assert features["firstorder_Kurtosis"] - 3 == pytest.approx(consensus["stat_kurt"][0], abs=5e-4)
    # PyRadiomics divides the covariance of the coordinates by n, IBSI by n - 1.
    for name, tag in AXES.items():
        value, tolerance = consensus[tag]
        assert features[name] * np.sqrt(num_voxels / (num_voxels - 1)) == pytest.approx(value, abs=tolerance)
    assert features["firstorder_TotalEnergy"] == pytest.approx(consensus["stat_energy"][0] * 2.0**3)


CONFIGURATIONS = {
    "brain1": Discretization(quantity="", bin_width=25.0),
    "brain1_FBN": Discretization(quantity="", bin_count=64),
    "brain1_resegmentation": Discretization(quantity="", bin_width=25.0, resegment_sigma=3.0),
    "brain1_resampling": Discretization(quantity="", bin_width=25.0, interpolation="b_spline"),
}


@needs_real_data
@pytest.mark.parametrize("configuration", CONFIGURATIONS)
def test_brain1_has_the_baseline_values_of_pyradiomics(configuration):
    folder = real_data() / "pyradiomics"
    image, spacing_mm = read(folder / "brain1_image.nrrd")
    label, _ = read(folder / "brain1_label.nrrd")
    mask = label == 1
    if configuration == "brain1_resampling":
        channels, mask = resampled(
            {"t1c": image}, mask, spacing_mm=spacing_mm, to_mm=2.0, interpolation={"t1c": "b_spline"}
        )
        image, spacing_mm = channels["t1c"], (2.0, 2.0, 2.0)
    features = all_features(image, mask, spacing_mm=spacing_mm, how=CONFIGURATIONS[configuration])
    compared = 0
    for path in sorted((folder / "baseline").glob("baseline_*.csv")):
        with path.open() as stream:
            rows = {row["featureName"]: row for row in csv.DictReader(stream)}
        for name, row in rows.items():
            feature = name.removeprefix("original_")
            # The baseline of brain1 adds 2000 to every value before it squares them.
            squared = feature in {"firstorder_Energy", "firstorder_TotalEnergy", "firstorder_RootMeanSquared"}
            if feature not in features or configuration not in row or (configuration == "brain1" and squared):
                continue
            # The mesh of the shape features has another rule for its edges since the baseline (PyRadiomics: 3 %).
            tolerance = 1e-3 if feature.startswith("shape") else 1e-9
            assert features[feature] == pytest.approx(float(row[configuration]), rel=tolerance), feature
            compared += 1
    # brain1_FBN is a baseline of texture alone.
    assert compared >= (70 if configuration == "brain1_FBN" else 88)


def made_up(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """An image and an outline that reaches the edge of the array."""
    rng = np.random.default_rng(seed)
    z, y, x = np.indices((14, 20, 17))
    mask = ((z - 3) / 4.5) ** 2 + ((y - 11) / 7) ** 2 + ((x - 9) / 5) ** 2 < 1
    image = (1.5 + mask + 0.4 * rng.standard_normal(mask.shape)).astype(np.float32)
    return image, mask


@pytest.mark.parametrize(
    ("how", "pyradiomics"),
    [
        (Discretization(quantity="tbr", bin_width=0.1), {"binWidth": 0.1}),
        (
            Discretization(quantity="", bin_count=32, resegment_sigma=2.0),
            {"binCount": 32, "resegmentRange": [-2, 2], "resegmentMode": "sigma"},
        ),
    ],
)
def test_values_are_those_of_pyradiomics_extractor_to_the_last_bit(how, pyradiomics):
    radiomics.setVerbosity(60)
    image, mask = made_up()
    spacing_mm = (3.0, 1.0, 1.5)
    volumes = [sitk.GetImageFromArray(array) for array in (image, mask.astype(np.uint8))]
    for volume in volumes:
        volume.SetSpacing(tuple(reversed(spacing_mm)))
    expected = RadiomicsFeatureExtractor(additionalInfo=False, **pyradiomics).execute(*volumes)
    found = all_features(image, mask, spacing_mm=spacing_mm, how=how)
    assert {f"original_{name}": value for name, value in found.items()} == {
        name: float(value) for name, value in expected.items()
    }


def test_a_flat_region_has_features_and_no_warning():
    image, mask = np.full((8, 8, 8), 2.0, dtype=np.float32), np.zeros((8, 8, 8), dtype=bool)
    mask[2:6, 2:6, 2:6] = True
    features = gray_level_features(
        image, mask, spacing_mm=(1.0, 1.0, 1.0), how=Discretization(quantity="", bin_count=32, resegment_sigma=3.0)
    )
    assert features["firstorder_Variance"] == 0
    assert features["glcm_JointEnergy"] == pytest.approx(1.0)


def test_a_speck_and_a_line_are_too_small_to_measure():
    mask = np.zeros((30, 5, 5), dtype=bool)
    mask[:, 2, 2] = True
    assert not is_measurable(mask)
    mask[0, 3, 2] = True
    assert is_measurable(mask)
    assert not is_measurable(mask & (np.indices(mask.shape)[0] < 5))


def lesion_image(*, scale: float = 1.0, channels=("t1c", "fdopa")) -> LesionImage:
    image, mask = made_up()
    label = mask.astype(np.int8)
    label[mask & (np.indices(mask.shape)[1] > 11)] = 2
    values = {"t1c": image - 2, "fdopa": image * np.float32(scale)}
    return LesionImage(
        case_id="case",
        channels={name: values[name] for name in channels},
        label=label,
        spacing_mm=(2.0, 2.0, 2.0),
    )


def extract(image: LesionImage, settings: Settings, **how) -> dict[str, float]:
    plan = make_plan()
    made = extraction_settings(settings, plan, plan.configuration("3d_cnn"), {"core": 1, "edema": 2}, **MADE_BY)
    return features_of(image, made, plan, DESCRIPTION, **how)


def test_names_are_channel_class_and_feature_with_the_region_behind():
    features = extract(lesion_image(), Settings(subregions=True))
    assert {"t1c_glcm_JointEntropy", "fdopa_firstorder_Mean@edema", "lesion_shape_MeshVolume@core"} <= features.keys()
    assert "fdopa_uptake_suv_max" in features
    mask = lesion_image().label
    assert features["fdopa_firstorder_Maximum@edema"] == lesion_image().channels["fdopa"][mask == 2].max()
    voxels = [features[f"lesion_shape_VoxelVolume{region}"] for region in ("", "@core", "@edema")]
    assert voxels[0] == pytest.approx(voxels[1] + voxels[2])


def test_an_absent_channel_has_no_features_and_the_others_keep_theirs():
    both, one = extract(lesion_image(), Settings()), extract(lesion_image(channels=("t1c",)), Settings())
    assert not [name for name in one if name.startswith("fdopa_g")]
    assert np.isnan(one["fdopa_uptake_suv_max"])
    assert {name: both[name] for name in one if "uptake" not in name} == {
        name: value for name, value in one.items() if "uptake" not in name
    }


def test_a_quantity_is_binned_by_its_unit_so_that_twice_the_uptake_has_more_texture():
    single, double = (extract(lesion_image(scale=scale), Settings()) for scale in (1.0, 2.0))
    assert double["fdopa_firstorder_Mean"] == pytest.approx(2 * single["fdopa_firstorder_Mean"])
    assert double["fdopa_glcm_JointEntropy"] > single["fdopa_glcm_JointEntropy"] + 0.5
    wider = extract(lesion_image(scale=2.0), Settings(bin_widths={"suv_bw": 0.2}))
    assert wider["fdopa_glcm_JointEntropy"] == pytest.approx(single["fdopa_glcm_JointEntropy"])


def test_less_and_more_of_the_outline_is_less_and_more_volume():
    volumes = [
        extract(lesion_image(), Settings(), outline=outline)["lesion_shape_VoxelVolume"]
        for outline in ("eroded", "", "dilated")
    ]
    assert volumes[0] < volumes[1] < volumes[2]


def test_resampling_is_to_cubes_of_the_planned_volume_unless_told_otherwise():
    plan = make_plan()
    flat = replace(plan.configuration("3d_cnn"), spacing_mm=(8.0, 1.0, 1.0))
    labels = {"core": 1, "edema": 2}
    assert not extraction_settings(Settings(), plan, plan.configuration("3d_cnn"), labels, **MADE_BY).is_resampled
    made = extraction_settings(Settings(), plan, flat, labels, **MADE_BY)
    assert (made.spacing_mm, made.is_resampled) == (2.0, True)
    made = extraction_settings(Settings(spacing_mm=3.0), plan, flat, labels, **MADE_BY)
    features = features_of(lesion_image(), made, plan, DESCRIPTION)
    unchanged = extract(lesion_image(), Settings())["lesion_shape_VoxelVolume"]
    assert features["lesion_shape_VoxelVolume"] == pytest.approx(unchanged, rel=0.15)


def test_a_quantity_without_a_bin_width_is_refused_with_the_setting_that_gives_one():
    channel = ChannelPlan(
        source=Channel(name="x", modality=Modality.PET_PARAMETRIC, tracer=Tracer.FET, unit=Unit.HU),
        normalization=Normalization(scheme="fixed_scale"),
    )
    plan = replace(make_plan(), channels=(replace(channel, source=replace(channel.source, unit=None)),))
    with pytest.raises(TaskError, match="bin_widths"):
        extraction_settings(Settings(), plan, plan.configuration("3d_cnn"), {"lesion": 1}, **MADE_BY)
