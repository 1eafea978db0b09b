"""The cases of one fold, as batches."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING, Any, NamedTuple

from glioframe.artifacts.case import load_preprocessed_case
from glioframe.artifacts.json_file import to_json
from glioframe.core.errors import TrainingError
from glioframe.core.files import sha256_of_text
from glioframe.core.seeds import derive_seed
from glioframe.training.inner_split import split_inner
from glioframe.training.loading import PatchStore, collate
from glioframe.training.sampling import class_balanced_weights, draw_epoch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from glioframe.core.geometry import Shape
    from glioframe.task_api.run import Run
    from glioframe.training.batch import Batch
    from glioframe.training.gradient_types import Sampling
    from glioframe.training.ranks import Ranks


class BatchRequest(NamedTuple):
    """A batch to load, named by its place in training.

    Attributes:
        epoch: Counted from 0.
        step: Within the epoch, counted from 0.
        case_ids: Its cases.
        first: Place of its first case in the whole batch, of which it may be a share.
    """

    epoch: int
    step: int
    case_ids: tuple[str, ...]
    first: int = 0

    @property
    def places(self) -> range:
        """Of its cases in the whole batch. They name random streams, so that a case is the same in any share."""
        return range(self.first, self.first + len(self.case_ids))

    def share(self, ranks: Ranks) -> BatchRequest:
        """This process's part of it: neighbors, as many as any other process has, give or take one."""
        first, end = (len(self.case_ids) * number // ranks.size for number in (ranks.rank, ranks.rank + 1))
        return self._replace(case_ids=self.case_ids[first:end], first=first)


class FoldData:
    """The training cases of a run, split into those to fit and the inner ones to watch.

    Attributes:
        classes: Class index by case id; empty for a task without a target.
        fit_ids: Cases to descend the gradient on.
        inner_ids: Cases held out inside the fold.
        seed: Of everything random in the training of the run's network.

    Raises:
        TrainingError: There are too few cases, or cases without the lesion that the field of view needs.
    """

    def __init__(self, run: Run[Any], sampling: Sampling) -> None:
        self._plan = run.configuration.training
        self._batch_size = run.configuration.batch_size
        fold_seed = derive_seed(self._plan.seed, "fold", run.fold)
        self.seed = derive_seed(fold_seed, "member", run.member) if run.member else fold_seed
        self.classes = dict(run.class_indices()) if run.target else {}
        cases = [case for case in run.train_cases if not run.target or case.case_id in self.classes]
        # By the fold's seed: no member may fit what the operating point of their mean is chosen on.
        self.fit_ids, self.inner_ids = split_inner(
            cases, self.classes, fraction=self._plan.inner_fraction, seed=fold_seed
        )
        self._check_classes(run)
        preprocessed = {
            case_id: load_preprocessed_case(run.preprocessed_folder, case_id)
            for case_id in (*self.fit_ids, *self.inner_ids)
        }
        if run.plan.field_of_view.kind == "lesion_centered":
            centers = {case_id: case.properties.lesion_center_vox for case_id, case in preprocessed.items()}
            _refuse_missing_lesions([case_id for case_id, center in centers.items() if center is None], run)
        self._jitter_vox = self._largest_jitter_vox(run, sampling)
        self._weights = [1.0] * len(self.fit_ids)
        if sampling.balanced:
            self._weights = class_balanced_weights(self.fit_ids, self.classes)
        self._store = PatchStore(
            preprocessed,
            field_of_view=run.plan.field_of_view,
            patch_size_vox=run.configuration.patch_size_vox,
            jitter_vox=self._jitter_vox,
        )
        hashes = {case_id: case.properties.preprocessing_hash for case_id, case in sorted(preprocessed.items())}
        self.identity = _identity(run, self.classes, hashes)

    def requests(self, *, first_step: int) -> Iterator[BatchRequest]:
        """The batches of all epochs, from step ``first_step`` of all on."""
        per_epoch = self._plan.iterations_per_epoch
        for epoch in range(first_step // per_epoch, self._plan.epochs):
            batches = draw_epoch(
                self.fit_ids,
                self._weights,
                num_batches=per_epoch,
                batch_size=self._batch_size,
                seed=derive_seed(self.seed, "sampling", epoch),
            )
            for step, case_ids in enumerate(batches):
                if epoch * per_epoch + step >= first_step:
                    yield BatchRequest(epoch, step, case_ids)

    def load(self, request: BatchRequest) -> Batch:
        """The batch, not yet augmented but for the jitter of the patches' centers."""
        shifts = [self._draw_shift(request, place) for place in request.places]
        return collate(self._store, request.case_ids, classes=self.classes, shifts_vox=shifts)

    def inner_batches(self) -> Iterator[Batch]:
        """The inner cases, each once."""
        for first in range(0, len(self.inner_ids), self._batch_size):
            yield collate(self._store, self.inner_ids[first : first + self._batch_size], classes=self.classes)

    def _draw_shift(self, request: BatchRequest, place: int) -> Shape:
        stream = derive_seed(self.seed, "jitter", request.epoch, request.step, place)
        rng = random.Random(stream)  # noqa: S311 - no secret
        z, y, x = (rng.randint(-reach, reach) for reach in self._jitter_vox)
        return (z, y, x)

    def _largest_jitter_vox(self, run: Run[Any], sampling: Sampling) -> Shape:
        reach_mm = sampling.center_jitter_mm * self._plan.augmentation
        z, y, x = (round(reach_mm / spacing) for spacing in run.configuration.spacing_mm)
        return (z, y, x)

    def _check_classes(self, run: Run[Any]) -> None:
        if not self.fit_ids:
            raise TrainingError(run.folder, expected="at least one training case", found="none", fix="Add cases")
        present = {self.classes[case_id] for case_id in self.fit_ids} if self.classes else set()
        if run.target and len(present) < 2:  # noqa: PLR2004 - one class leaves nothing to tell apart
            only = run.target.classes[present.pop()]
            raise TrainingError(
                run.folder,
                expected=f"training cases of at least two classes of {run.target.name}",
                found=f"only {only}",
                fix="Add cases of the other classes, or plan fewer folds",
            )


def _refuse_missing_lesions(case_ids: list[str], run: Run[Any]) -> None:
    if case_ids:
        raise TrainingError(
            run.preprocessed_folder,
            expected="a lesion label for every training case, because the plan centers the patch on the lesion",
            found=f"none for {', '.join(sorted(case_ids))}",
            fix="Add the labels, or plan a whole-brain field of view",
        )


def _identity(run: Run[Any], classes: dict[str, int], preprocessing_hashes: dict[str, str]) -> str:
    decisive = {
        "configuration": to_json(run.configuration),
        "field_of_view": to_json(run.plan.field_of_view),
        "settings": to_json(run.settings),
        "fold": run.fold,
        "member": run.member,
        "pretrained": run.pretrained and run.pretrained.sha256,
        "target": run.target and run.target.name,
        "classes": classes,
        "cases": preprocessing_hashes,
    }
    return sha256_of_text(json.dumps(decisive, sort_keys=True))
