"""Plans and comparisons for the tests of preprocessing."""

from __future__ import annotations

from glioframe.artifacts.network_plan import ResidualEncoderPlan
from glioframe.artifacts.plan import (
    ChannelPlan,
    Configuration,
    FieldOfView,
    Normalization,
    Plan,
    TrainingPlan,
)

ROBUST = Normalization(scheme="robust_z_score")


def make_plan(description, *, suv_scale=2.0, interpolation=3, **training):
    """T1-like channels robustly z-scored, quantitative ones divided by ``suv_scale``."""
    quantity = Normalization(scheme="fixed_scale", scale=suv_scale)
    configuration = make_configuration(**training)
    return Plan(
        dataset_name=description.name,
        channels=tuple(
            ChannelPlan(source=channel, normalization=quantity if channel.unit else ROBUST, interpolation=interpolation)
            for channel in description.channels
        ),
        field_of_view=FieldOfView(kind="whole_brain", extent_mm=(120.0, 120.0, 120.0)),
        gpu_memory_gb=4.0,
        configurations={configuration.name: configuration},
    )


def make_configuration(*, spacing_mm=(5.0, 5.0, 5.0), epochs=1):
    network = ResidualEncoderPlan(
        features_per_stage=(8,), blocks_per_stage=(1,), kernel_sizes=((3, 3, 3),), strides=((1, 1, 1),)
    )
    return Configuration(
        name="3d_cnn",
        data_identifier="cases",
        spacing_mm=spacing_mm,
        patch_size_vox=(16, 16, 16),
        batch_size=1,
        network=network,
        training=TrainingPlan(epochs=epochs, iterations_per_epoch=1),
    )


def contents(folder):
    """Bytes by name of all files in ``folder``, hidden ones included."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}
