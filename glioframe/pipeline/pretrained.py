"""``--pretrained``: which weights each fold starts from, so that no fold is judged by cases that they learned from."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from glioframe.artifacts.network_plan import VisionTransformerPlan
from glioframe.artifacts.pretrained import PretrainedEncoder, load_pretrained_record
from glioframe.artifacts.splits import splits_hash
from glioframe.core.errors import TaskError, TrainingError
from glioframe.core.files import sha256_of_file, sha256_of_text
from glioframe.pipeline.model_folder import ModelFolder
from glioframe.pipeline.training import PretrainedEncoders
from glioframe.pipeline.wording import some
from glioframe.training.checkpoint import FINAL

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from glioframe.artifacts.network_plan import NetworkPlan
    from glioframe.artifacts.plan import Configuration
    from glioframe.pipeline.training import Training


@dataclass(frozen=True, slots=True)
class _EarlierRun:
    """A run of glioframe, and the fold and the network of it that were named, if they were."""

    model: ModelFolder
    fold: int | None = None
    member: str = ""

    def configuration(self) -> Configuration:
        """As it was trained."""
        return self.model.plan().configuration(self.model.description().configuration)


def find_pretrained(training: Training, path: Path, folds: Sequence[int]) -> PretrainedEncoders:
    """The weights at ``path`` for each of ``folds``.

    A model folder gives each fold the encoder of the same fold, provided that both were split alike.

    Raises:
        TaskError: The task starts from no weights.
        TrainingError: There are none at ``path``, they are of another network, or they leak.
    """
    if not training.task.accepts_pretrained:
        raise TaskError(
            f"--pretrained {path}",
            expected="a task that starts from pretrained weights",
            found=training.request.task,
            fix="Leave it out, or choose another task",
        )
    run = _earlier_run(path)
    if run is None:
        encoder = PretrainedEncoder(path=path, sha256=sha256_of_file(path))
        return PretrainedEncoders(source=encoder.sha256, by_fold=dict.fromkeys(folds, encoder))
    _refuse_itself(training, run)
    _refuse_other_network(training, run)
    encoders = {fold: _encoder_of(training, run, fold, path) for fold in folds}
    for fold, encoder in encoders.items():
        _refuse_leak(training, fold, encoder)
    return PretrainedEncoders(source=_hash_of(run), by_fold=encoders)


def _earlier_run(path: Path) -> _EarlierRun | None:
    """None for a file that lies in no folder of a fold or of one of its members.

    Raises:
        TrainingError: There is nothing to load.
    """
    folder = path if path.is_dir() else path.parent
    if (path / "model.json").is_file():
        return _EarlierRun(ModelFolder(path))
    member = ""
    if folder.name.startswith("member_") and folder.parent.name.startswith("fold_"):
        folder, member = folder.parent, folder.name
    if folder.name.startswith("fold_") and folder.name[5:].isdigit() and (folder.parent / "model.json").is_file():
        return _EarlierRun(ModelFolder(folder.parent), int(folder.name[5:]), member)
    if not path.is_file():
        raise TrainingError(
            f"--pretrained {path}",
            expected="a model folder, the folder of one of its folds, or a file of weights",
            found="a folder without model.json" if path.is_dir() else "nothing",
            fix="Correct the path",
        )
    return None


def _encoder_of(training: Training, run: _EarlierRun, fold: int, path: Path) -> PretrainedEncoder:
    earlier_folds = run.model.folds()
    if run.fold is None and splits_hash(earlier_folds) != splits_hash(training.folds):
        raise TrainingError(
            f"--pretrained {path}",
            expected="a run with the same folds, of which each fold takes its own encoder",
            found="a run with others",
            fix=f"Name one fold of it, such as {run.model.fold_folder(0)}, that learned from no held-out case",
        )
    source = fold if run.fold is None else run.fold
    if source not in run.model.trained_folds():
        raise TrainingError(
            f"--pretrained {path}",
            expected=f"fold {source}, trained to the end",
            found=f"trained: {', '.join(map(str, run.model.trained_folds())) or 'none'}",
            fix="Train it first, or name another one",
        )
    folder = run.model.fold_folder(source) / run.member
    weights = path if path.is_file() else folder / FINAL
    earlier = load_pretrained_record(folder)
    labelled = set(earlier.labelled_images) if earlier else set()
    if run.model.description().target:
        learned_from = set(earlier_folds[source].train)
        labelled |= {digest for digest, case_id in run.model.training_images().items() if case_id in learned_from}
    return PretrainedEncoder(
        path=weights,
        sha256=sha256_of_file(weights),
        patch_size_vox=run.configuration().patch_size_vox,
        labelled_images=tuple(sorted(labelled)),
    )


def _refuse_leak(training: Training, fold: int, encoder: PretrainedEncoder) -> None:
    held_out = set(training.folds[fold].val)
    images = {digest: case_id for digest, case_id in training.image_hashes().items() if case_id in held_out}
    images |= training.external_image_hashes()
    leaking = sorted({images[digest] for digest in encoder.labelled_images if digest in images})
    if leaking:
        raise TrainingError(
            f"--pretrained {encoder.path}, fold {fold}",
            expected="weights that have learned no label of a case that the fold is judged by",
            found=f"some that learned from {some(leaking)}",
            fix="Name the model folder of a run with the same folds, or pretrain without these cases",
        )


def _refuse_itself(training: Training, run: _EarlierRun) -> None:
    if run.model.path.resolve() == training.model.path.resolve():
        raise TrainingError(
            f"--pretrained {run.model.path}",
            expected="another model than the one to be trained",
            found="the folder that it would be written to",
            fix="Set GLIOFRAME_RESULTS to another folder for this training",
        )


def _refuse_other_network(training: Training, run: _EarlierRun) -> None:
    """Equal shapes are not enough: strides have none, and channels in another order have the same."""
    network = run.configuration().network
    if _without_dropout(network) != _without_dropout(training.configuration.network):
        expected, found = training.configuration.network.in_words, network.in_words
        if expected == found:
            found += ", otherwise built"
        raise _other(run, f"the network to be trained, a {expected}", f"a {found}")
    wanted, channels = (
        [channel.source.name for channel in each.channels] for each in (training.plan, run.model.plan())
    )
    if channels != wanted:
        raise _other(run, f"the channels {', '.join(wanted)}, in this order", ", ".join(channels))


def _without_dropout(network: NetworkPlan) -> NetworkPlan:
    if isinstance(network, VisionTransformerPlan):
        return replace(network, dropout=0.0, drop_path=0.0)
    return replace(network, dropout=0.0)


def _other(run: _EarlierRun, expected: str, found: str) -> TrainingError:
    return TrainingError(
        f"--pretrained {run.model.path}",
        expected=expected,
        found=found,
        fix="Train with the plan of the earlier run, or choose another run",
    )


def _hash_of(run: _EarlierRun) -> str:
    """The same whichever folds of it are trained by now."""
    description = run.model.description()
    decisive: list[object] = [description.task, description.configuration, description.target, description.settings]
    decisive += [description.splits_hash, description.plan_hash, description.pretrained, run.fold, run.member]
    return sha256_of_text(json.dumps(decisive, sort_keys=True))
