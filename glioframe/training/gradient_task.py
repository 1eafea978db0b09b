"""A task that descends a gradient: it says what is trained and by which loss, the engine does the rest."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, final

from glioframe.task_api.run import Run, SettingsT
from glioframe.task_api.task import Task
from glioframe.training.gradient_types import Sampling, StepResult, ValidationResult

if TYPE_CHECKING:
    from torch import nn

    from glioframe.artifacts.case import PreprocessedCase
    from glioframe.networks.foreign_weights import LoadedWeights
    from glioframe.task_api.task import CasePrediction
    from glioframe.training.batch import Batch


__all__ = ["GradientTask", "Sampling", "StepResult", "ValidationResult"]


class GradientTask(Task[SettingsT]):
    """Base of the tasks that the engine trains. A subclass is final and has no state of its own.

    Everything random in its methods must come from torch's global generators: the engine seeds them by name before
    the network is built and before every step, so that training can stop and resume anywhere.
    """

    @abstractmethod
    def build_network(self, run: Run[SettingsT]) -> nn.Module:
        """The network, freshly initialized, on the CPU."""

    @abstractmethod
    def training_step(self, run: Run[SettingsT], network: nn.Module, batch: Batch) -> StepResult:
        """Runs the network, in training mode, on an augmented batch."""

    @abstractmethod
    def validation_step(self, run: Run[SettingsT], network: nn.Module, batch: Batch) -> ValidationResult:
        """Runs the network, in evaluation mode, on inner cases that are not augmented."""

    @abstractmethod
    def prediction_step(self, run: Run[SettingsT], network: nn.Module, case: PreprocessedCase) -> CasePrediction:
        """Runs a trained network, in evaluation mode and without gradients, on one case; in float32.

        Args:
            run: Of the network: of several in a fold, each has its own.
            network: One of those that :meth:`fit` trained, on ``run.device``.
            case: To be predicted.
        """

    def start(self, run: Run[SettingsT], network: nn.Module) -> LoadedWeights | None:
        """Brings ``run.pretrained`` into the initialized network, before training only; by default nothing.

        Parameters that it freezes are left out of the optimizer.

        Returns:
            What was loaded; None for a network that starts at random.
        """
        return None

    def begin_epoch(self, run: Run[SettingsT], network: nn.Module, epoch: int) -> None:
        """Prepares the network, in training mode, for epoch ``epoch``, counted from 0; by default not at all.

        Called again where training is resumed within the epoch, so it must depend on its arguments only.
        """

    def learning_rate(self, run: Run[SettingsT], step: int) -> float:
        """Of optimizer step ``step``, counted from 0 over all epochs; by default as planned."""
        from glioframe.training.schedule import learning_rate

        return learning_rate(run.configuration.training, step)

    def calibrates(self, run: Run[SettingsT]) -> bool:
        """Whether to learn a temperature on the inner cases, at which :meth:`predict` answers; by default not."""
        return False

    def sampling(self, run: Run[SettingsT]) -> Sampling:
        """How patches are drawn; by default every case equally often, without jitter."""
        return Sampling()

    @final
    def check(self, run: Run[SettingsT]) -> None:
        """Builds and starts the network once, so that what refuses to start does so here."""
        from glioframe.training.start import check_start

        check_start(self, run)

    @final
    def fit(self, run: Run[SettingsT]) -> None:
        """Trains one fold: the weights that predict, and the operating point, end up in ``run.folder``."""
        from glioframe.training.engine import train_fold

        train_fold(self, run)

    @final
    def predict(self, run: Run[SettingsT], case: PreprocessedCase) -> CasePrediction:
        """The mean over the fold's networks, at the temperature that was learned, if one was.

        Raises:
            PredictionError: The fold is not trained.
        """
        from glioframe.training.prediction import predict_case

        return predict_case(self, run, case)

    @final
    def operating_point(self, run: Run[SettingsT]) -> float:
        """What :meth:`fit` chose on the inner cases.

        Raises:
            ArtifactError: The fold is not trained.
        """
        from glioframe.training.operating_point import load_operating_point

        return load_operating_point(run.folder).probability
