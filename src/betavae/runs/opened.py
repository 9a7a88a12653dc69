"""A finished run of any method, opened for judging: model, data, and its terms on a sample."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from betavae import data as datasets
from betavae._system.errors import InputError, check_range
from betavae._system.notes import note_once
from betavae.config import Config
from betavae.data.dataset import Dataset
from betavae.data.kept_images import kept_images
from betavae.models.latents import Gaussian, Levelled
from betavae.models.likelihoods import Bernoulli
from betavae.models.networks import ImageShape
from betavae.models.vae import VAE
from betavae.runs.latent_ranges import Scale, measured_scale
from betavae.runs.made import stale_files
from betavae.runs.pretrained_folder import is_pretrained, read_pretrained
from betavae.training.build import Model
from betavae.training.checkpoint import NAME, Header, load_model, weights_digest
from betavae.training.measuring import measure
from betavae.training.records import RECORDS, Record, read_records
from betavae.training.run_data import DataMissing, find_data

LARGEST_SEED = (1 << 63) - 1
SAMPLE = 4096  # images on which a run's rates are measured: each is then within about 1 %


@dataclass(frozen=True, repr=False)
class OpenRun:
    """A run and what it was trained on; its terms are measured when they are first asked for.

    Attributes:
        folder: where it is.
        model: in eval mode, on the CPU.
        header: configuration, steps, time.
        dataset: the data set named in the configuration, or the one it was opened with.
        most: images that terms are measured on, at most.
        seed: seed of their choice and of the posterior's noise.
    """

    folder: Path
    model: Model
    header: Header
    dataset: Dataset
    most: int = SAMPLE
    seed: int = 0

    @property
    def sample(self) -> int:
        """How many images terms are measured on."""
        return min(self.most, len(self.dataset.images))

    @cached_property
    def weights(self) -> str:
        """The digest of the weights, which what is made from them carries."""
        return weights_digest(self.model.state_dict())

    @cached_property
    def records(self) -> list[Record]:
        """The lines of metrics.jsonl; empty when the file is not there."""
        return read_records(self.folder / RECORDS)

    @cached_property
    def _terms(self) -> tuple[float | None, Scale]:
        if not (
            isinstance(self.model, VAE) and isinstance(self.model.latent, (Gaussian, Levelled))
        ):
            scale = measured_scale(self.model, self.dataset, sample=self.sample, seed=self.seed)
            return None, scale
        rows = sample_rows(self.dataset, self.sample, self.seed)
        distortion, rates = measure(self.model, self.dataset, rows, seed=self.seed)
        return distortion, Scale.of_latent(self.model.latent, rates)

    @property
    def distortion(self) -> float | None:
        """Nats per image, mean over `sample` images; None for methods without a likelihood."""
        return self._terms[0]

    @property
    def is_no_likelihood(self) -> bool:
        """Whether the distortion is a Bernoulli cross-entropy of other pixels than 0 and 1."""
        return no_likelihood(self.model, self.dataset)

    @property
    def scale(self) -> Scale:
        """The units of the codes, and what each of them says: of a VAE its rate."""
        return self._terms[1]

    @property
    def rates(self) -> NDArray[np.float64]:
        """Rate of each latent (M,) in nats per image, over `sample` images.

        Raises:
            InputError: for methods without a prior on their codes.
        """
        if not self.scale.prior:
            raise InputError(
                f"{self.folder} is a run of method {self.header.config.method.name}, which has no "
                "rates"
            )
        return self.scale.amounts

    @property
    def beta(self) -> float | None:
        """Weight of the rate at the end of training; None where the objective has none."""
        return last_beta(self.records, self.header.config, self.header.image_shape)

    @property
    def objective(self) -> float | None:
        """What training minimised at its end, nats per image, over `sample` images.

        Distortion + beta x rate, which compares runs that differ in their seed alone; None for
        other methods and objectives.
        """
        config = self.header.config
        if self.distortion is None or self.beta is None or config.objective.name != "beta":
            return None
        return self.distortion + self.beta * float(self.rates.sum())

    @property
    def is_own_data(self) -> bool:
        """Whether the data set is the one that the run was trained on."""
        source = self.header.source
        return source is None or source.fingerprint == self.dataset.fingerprint()

    @property
    def images_seen(self) -> int:
        """Images shown to the model in training."""
        return self.header.steps * min(self.header.config.batch, self.header.dataset_rows)

    @property
    def loadable(self) -> bool:
        """Whether the commands find this run by its folder, and its images by their name."""
        return (self.folder / NAME).is_file() and self.dataset.name == self.header.config.data

    def __repr__(self) -> str:
        config = self.header.config
        what = config.method.name if config.method.name != "vae" else str(config.objective)
        return (
            f"<{type(self).__name__} {self.folder}: {what}, {config.latents} latents, "
            f"{self.images_seen:,} images seen, data {self.dataset.name}>"
        )


def no_likelihood(model: Model, dataset: Dataset) -> bool:
    """Say whether the distortion is a Bernoulli cross-entropy of pixels other than 0 and 1."""
    own = isinstance(model, VAE) and isinstance(model.likelihood, Bernoulli)
    return own and not dataset.images.binary


def last_beta(records: Sequence[Record], config: Config, image_shape: ImageShape) -> float | None:
    """Return the weight of the rate at the end of training; the configured one without records.

    None where the objective has none.
    """
    return records[-1].beta if records else config.beta(image_shape)


def open_run(
    folder: Path,
    *,
    data: str | None = None,
    sample: int = SAMPLE,
    seed: int = 0,
    whole: bool = True,
) -> OpenRun:
    """Open a run folder: its model, what it says of itself, and its data set.

    Args:
        folder: a run folder, made by `betavae train`, or one that `save_pretrained` or
            `betavae export` wrote.
        data: another place of its images, or another data set; they must have the run's shape.
        sample: images that terms are measured on; the whole set where it is smaller.
        seed: seed of their choice and of the posterior's noise.
        whole: the data set must be there; otherwise the few images that were kept with the run
            may stand in for it, which is said once.

    Raises:
        InputError: when the folder is no run, or its data is gone, has changed, or does not fit.
    """
    check_range("seed", seed, 0, LARGEST_SEED)
    if is_pretrained(folder):
        return _open_pretrained(folder, data, sample, seed)
    model, header = load_model(folder)
    stale = stale_files(folder, weights_digest(model.state_dict()))
    note_once(f"{path} is of earlier weights of its run: renew or remove it" for path in stale)
    try:
        dataset = find_data(folder, header, data)
    except DataMissing as error:
        kept = None if whole else kept_images(folder)
        if kept is None:
            raise
        note_once([f"{error}; the {len(kept.images)} images kept with the run stand in for them"])
        dataset = kept
    return OpenRun(folder, model, header, dataset, sample, seed)


def _open_pretrained(folder: Path, data: str | None, sample: int, seed: int) -> OpenRun:
    """Open a model that came without its images, on those that its data or the user names."""
    found = read_pretrained(folder)
    config = found.config
    try:
        dataset = datasets.load(data or config.data, **config.load_options())
    except InputError as error:
        if data is not None:
            raise
        raise InputError(
            f"{folder} holds a model without its images; name some with --data ({error})"
        ) from None
    if dataset.images.image_shape != found.image_shape:
        raise InputError(
            f"{folder} was trained on images of shape {found.image_shape}, "
            f"{dataset.name} has {dataset.images.image_shape}"
        )
    # What it was trained on is not in such a folder: its configured length is.
    rows = len(dataset.images)
    steps = math.ceil(config.images / min(config.batch, rows))
    header = Header(config, found.image_shape, rows, steps, 0.0)
    return OpenRun(folder, found.model, header, dataset, sample, seed)


def sample_rows(dataset: Dataset, count: int, seed: int = 0) -> NDArray[np.int64]:
    """Return `count` random rows in order, all where there are fewer: the same for every run."""
    rng = np.random.default_rng(seed)
    rows = len(dataset.images)
    return np.sort(rng.choice(rows, min(count, rows), replace=False))


def seed_rows(
    dataset: Dataset, seeds: int | Sequence[int], rng: np.random.Generator
) -> NDArray[np.int64]:
    """Choose the images that stand for a data set; where there are shapes, one of each in turn.

    Args:
        dataset: what to choose from.
        seeds: how many, or the row numbers themselves.
        rng: source of the choice.

    Returns:
        (S,) row numbers.

    Raises:
        InputError: for no seeds, more than there are images, or rows that are not there.
    """
    rows = len(dataset.images)
    if not isinstance(seeds, int):
        chosen = np.asarray(seeds, np.int64).reshape(-1)
        outside = chosen[(chosen < 0) | (chosen >= rows)]
        if len(chosen) == 0 or len(outside):
            got = f"row {outside[0]}" if len(outside) else "none"
            raise InputError(f"seed images must be rows in 0..{rows - 1}, got {got}")
        return chosen
    if not 1 <= seeds <= rows:
        raise InputError(f"seeds must be in 1..{rows}, the number of images, got {seeds}")
    drawn = rng.permutation(rows)[: max(64 * seeds, 1024)]
    factors = dataset.factors(drawn)
    if factors is None or "shape" not in dataset.factor_names:
        return drawn[:seeds].astype(np.int64)
    shapes = factors[:, dataset.factor_names.index("shape")]
    # Each shape's images in the order drawn; taken one of each shape in turn.
    turn = np.empty(len(drawn), np.int64)
    for shape in np.unique(shapes):
        of_shape = np.flatnonzero(shapes == shape)
        turn[of_shape] = np.arange(len(of_shape))
    return drawn[np.lexsort((shapes, turn))][:seeds].astype(np.int64)
