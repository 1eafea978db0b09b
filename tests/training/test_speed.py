"""The benchmark measures real work, and memory is what a step takes."""

from dataclasses import replace

import torch

from glioframe.artifacts.case import load_preprocessed_case
from glioframe.artifacts.network_plan import ResidualEncoderPlan
from glioframe.core.progress import SilentProgress
from glioframe.training.speed import benchmark_training, observe_peak_memory_gb
from training_builders import make_run


def test_everything_is_measured(tmp_path):
    run = make_run(tmp_path)
    cases = {
        case.case_id: load_preprocessed_case(run.preprocessed_folder, case.case_id) for case in run.train_cases[:3]
    }
    found = benchmark_training(
        run.plan, run.configuration, cases, device=torch.device("cpu"), progress=SilentProgress()
    )
    assert found.loader_samples_per_s > 0
    assert found.augmentation_ms > 0
    assert found.step_ms > 0
    assert 0 <= found.loader_wait_share < 1
    assert 0 < found.predicted_peak_memory_gb < 0.1
    assert found.observed_peak_memory_gb >= 0
    assert found.precision == "float32"


def test_the_memory_observed_holds_weights_gradients_and_optimizer_state(tmp_path):
    network = ResidualEncoderPlan(
        features_per_stage=(8, 256), blocks_per_stage=(1, 4), kernel_sizes=((3,) * 3,) * 2, strides=((1,) * 3, (2,) * 3)
    )
    configuration = replace(make_run(tmp_path).configuration, network=network)
    # 7 convolutions of 256 to 256 channels, of which weights, gradients and two moments are kept.
    least_gb = 7 * 27 * 256**2 * 4 * 4 / 1e9
    two_networks_and_workspace_gb = 4 * least_gb
    assert least_gb < observe_peak_memory_gb(configuration, 2, "cpu") < two_networks_and_workspace_gb
