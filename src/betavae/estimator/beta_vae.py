"""BetaVAE: the whole system behind scikit-learn's fit and transform."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted
from typing_extensions import Self

from betavae._system.errors import InputError
from betavae._system.options import Options
from betavae._system.progress import wanted
from betavae.config import Config, table
from betavae.data.dataset import Dataset
from betavae.data.estimator_input import Form, take, with_labels
from betavae.data.images import ImageStore
from betavae.estimator.draws_itself import DrawsItself
from betavae.estimator.shares_model import SharesModel
from betavae.models.networks import takes_size

if TYPE_CHECKING:
    from pathlib import Path

    from betavae.models.latents import Latent
    from betavae.models.vae import VAE
    from betavae.objectives import Objective
    from betavae.training.build import Own, OwnNetwork
    from betavae.training.learners import Learner
    from betavae.training.records import Record

Images: TypeAlias = "ImageStore | Dataset | NDArray[Any] | Sequence[Any]"
Seed: TypeAlias = "int | np.random.RandomState | None"

# The estimator's own arguments; every other one is an option of the configuration.
OWN = ("image_shape", "n_init", "random_state", "verbose")


class BetaVAE(
    SharesModel,
    DrawsItself,
    ClassNamePrefixFeaturesOutMixin,  # type: ignore[misc]
    TransformerMixin,  # type: ignore[misc]
    BaseEstimator,  # type: ignore[misc]
):
    """Learn codes of images, or of rows of numbers, as a scikit-learn transformer.

    X, wherever it is asked for, is one of

    - images, (N, H, W), (N, H, W, C) or (N, C, H, W) with C 1 or 3: uint8 in 0..255, binary, or
      floats in [0, 1]; or an ImageStore, or a Dataset;
    - with `image_shape`, the same images as flat rows (N, H*W*C), as scikit-learn hands them on;
    - without it, a table (N, d) of any numbers, columns best on a scale of about 1
      (`StandardScaler`).

    Args:
        latents: number of latents, M. What is None, here and below, has the default of
            `betavae.config.Config`.
        image_shape: shape of an image when X comes as flat rows: (H, W), (H, W, C) or (C, H, W).
        network: fc, conv, burgess, patch, place or mlp; or one of your own: a pair of modules,
            encoder and decoder, or a function of (C, H, W) and the number of latents that returns
            one. None takes the objective's, place or patch, for images with sides that are
            multiples of 16, else mlp.
        latent: what a code is, by name, or a module of your own (`betavae.models.latents`).
        likelihood: bernoulli, continuous-bernoulli or gaussian; None takes gaussian for tables, and
            for grey and colour images where no objective is chosen, else bernoulli.
        objective: a name, a mapping of the name and its options, or a function, made by
            `betavae.objectives` or your own: ``BetaVAE(objective=tcvae(beta=6))``. None takes
            settle for black and white images, and what suits grey and colour ones
            (`betavae.config.suited`), with network, optimiser, batch and length, unless `beta`,
            `latent` or a network of your own says otherwise; beta for tables.
        optimiser: adam, adagrad or muon, or a mapping of the name and its options.
        n_init: seeds that `fit` trains one after another, to keep the one with the lowest loss on
            the same images (objective beta only): the seed of `random_state` and the following
            ones. A seed in five entangles what the others tell apart (docs/findings/preset.md).
        random_state: decides weights, data order and noise: an int gives the run of that
            ``--seed``; None draws a seed, kept in ``config_.seed``.
        verbose: show a progress bar on stderr; auto: in a terminal and in a notebook.
        sigma: as all that follow and `latents` and `beta`, see `betavae.config.Config`.

    Attributes:
        model_: the trained VAE, an nn.Module.
        config_: the validated configuration.
        records_: what training recorded, nats per image.
        image_shape_: (C, H, W) of an image; (1, 1, d) for tables.
        n_features_in_: values in an image.
        feature_names_in_: names of X's columns, where it has them.

    Source: Higgins et al. 2017.

    >>> images = np.zeros((64, 32, 32), np.uint8); images[::2, 8:16, 8:16] = 255
    >>> vae = BetaVAE(latents=2, images=256, batch=32, random_state=0).fit(images)
    >>> codes = vae.transform(images)
    >>> codes.shape, vae.inverse_transform(codes).shape
    ((64, 2), (64, 1, 32, 32))
    >>> BetaVAE(latents=1, images=64).fit_transform(np.random.randn(20, 3)).shape
    (20, 1)
    """

    def __init__(
        self,
        latents: int | None = None,
        *,
        beta: float | None = None,
        image_shape: tuple[int, ...] | None = None,
        network: str | OwnNetwork | None = None,
        latent: str | Mapping[str, Any] | Latent | None = None,
        likelihood: str | Mapping[str, Any] | None = None,
        objective: str | Mapping[str, Any] | Objective | None = None,
        optimiser: str | Mapping[str, Any] | None = None,
        images: int | None = None,
        batch: int | None = None,
        n_init: int = 1,
        random_state: Seed = None,
        verbose: bool | Literal["auto"] = "auto",
        sigma: float | Literal["learnt"] | None = None,
        beta_norm: float | None = None,
        beta_schedule: Literal["constant", "linear", "exponential", "cyclical"] | None = None,
        beta_start: float | None = None,
        beta_ramp: int | None = None,
        beta_cycles: int | None = None,
        learning_rate: float | None = None,
        learning_rate_schedule: Literal["constant", "linear", "cosine"] | None = None,
        learning_rate_decay: int | None = None,
        augment: Literal["none", "flip", "crop", "flip,crop"] | None = None,
        init: str | None = None,
        device: Literal["auto", "cpu", "cuda", "mps"] | None = None,
        threads: int | None = None,
        bf16: bool | None = None,
        compile: bool | None = None,
        checkpoint_every: int | None = None,
        tensorboard: bool | None = None,
    ) -> None:
        arguments = dict(locals())
        del arguments["self"]
        self.__dict__.update(arguments)

    def fit(self, X: Images, y: object = None, *, out: Path | None = None) -> Self:
        """Train from the first weights on.

        Args:
            X: images or a table, two rows at least; see the class.
            y: factors (N,) or (N, K) of whole numbers, -1 where not known, for the objective
                ``semi``; ignored by the others.
            out: also write a run folder there.

        Raises:
            InputError: for options or data that cannot be used; what scikit-learn itself finds
                wrong with a table is its own ValueError.
        """
        from betavae.studies.restarts import best_run

        if self.n_init < 1:
            raise InputError(f"n_init must be >= 1, got {self.n_init}")
        dataset, own = self._taken(X, reset=True, least=2), self._own()
        config = self._config(dataset.name)
        asking = config.objective if own.objective is None else own.objective
        if y is not None and getattr(asking, "needs_labels", False):
            dataset = with_labels(dataset, y)
        run = best_run(
            config, dataset, self.n_init, out, own=own,
            progress=wanted(self.verbose),
        )  # fmt: skip
        self.config_ = run.config
        self.model_: VAE = run.model
        self.records_: list[Record] = run.records
        self._learner: Learner | None = run.learner
        self._images = dataset
        self._say_what_nats_are(dataset)
        return self

    def partial_fit(self, X: Images, y: object = None) -> Self:
        """Show every row of X once to the model: a new one, or the fitted one that goes on.

        `images` is then only what the schedules of beta and the learning rate run over.

        Args:
            X: as for `fit`; one row is enough, two where the objective compares images.
            y: ignored.

        Raises:
            InputError: as for `fit`.
        """
        from betavae.config.suited import suited
        from betavae.models.centred import centre
        from betavae.training.fit import one_pass
        from betavae.training.learners import vae_learner

        first = not hasattr(self, "model_")
        dataset = self._taken(X, reset=first)
        own = self._own()
        if first:
            config = self._config(dataset.name)
            self.config_ = own.named_in(config if own.any else suited(config, dataset)[0])
            self.records_, self._learner = [], None
        if self._learner is None:
            self._learner = vae_learner(
                self.config_,
                self.image_shape_,
                self._device(),
                own,
                None if first else self.model_,
            )
            if first:
                centre(self._learner.model, dataset.images)
        seen = self.records_[-1].images if self.records_ else 0
        record = one_pass(self._learner, dataset, seen, len(self.records_))
        self.model_ = cast("VAE", self._learner.model)
        self.records_.append(record)
        self._images = dataset
        self._say_what_nats_are(dataset)
        return self

    def _say_what_nats_are(self, dataset: Dataset) -> None:
        """Note, once a process, where the nats of `records_` and `score` are no likelihood's."""
        from betavae._system.notes import note_once
        from betavae.models.likelihoods import NO_LIKELIHOOD
        from betavae.runs.opened import no_likelihood

        if not self._form.table and no_likelihood(self.model_, dataset):
            note_once([NO_LIKELIHOOD])

    def transform(self, X: Images) -> NDArray[np.float32]:
        """Return the posterior means, (N, M) float32."""
        from betavae.runs.representation import represent

        check_is_fitted(self)
        dataset = self._taken(X)
        return represent(
            self.model_, dataset, device=self._device(), progress=wanted(self.verbose)
        ).mean

    def inverse_transform(self, X: NDArray[Any]) -> NDArray[np.float32]:
        """Return the decoder's means for codes (N, M), in the form that `fit` was given.

        Args:
            X: codes; a DataFrame of `set_output` too.

        Returns:
            (N, C, H, W) images in [0, 1]; flat rows when `fit` was given flat rows or a table.

        Raises:
            InputError: for codes of another shape.
        """
        import torch

        check_is_fitted(self)
        latents = torch.from_numpy(np.array(X, np.float32))
        if latents.ndim != 2 or latents.shape[1] != self.config_.latents:
            raise InputError(
                f"codes must be (N, {self.config_.latents}), got {tuple(latents.shape)}"
            )
        model, device = self.model_.to(self._device()), self._device()
        with torch.inference_mode():
            parts = [model.decode(part.to(device)).cpu() for part in torch.split(latents, 1024)]
        values = torch.cat(parts)
        return (values.flatten(1) if self._form.flat else values).numpy()

    def score(self, X: Images, y: NDArray[Any] | None = None) -> float:
        """Return how good the codes are: the higher, the better.

        Args:
            X: as for `fit`.
            y: factors (N, K) of whole numbers, K at least 2; a data frame or
                `betavae.metrics.factor_table` has their names, by which the shape of the 2D
                shapes is left out. Anything else is ignored.

        Returns:
            With factors the disentanglement metric of Higgins et al. 2017, in [0, 1], codes under
            a prior counted in its unit; without them the mean evidence lower bound,
            -(distortion + rate), in nats per image.
        """
        check_is_fitted(self)
        factors = np.asarray(y)
        if factors.ndim == 2 and factors.shape[1] > 1:
            from betavae.metrics.higgins import higgins_score
            from betavae.runs.representation import represent

            codes = represent(self.model_, self._taken(X), device=self._device())
            return higgins_score(codes.codes, y, unit=codes.unit).score
        from betavae.training.measuring import measure

        dataset = self._taken(X)
        model = self.model_.to(self._device())
        distortion, rates = measure(model, dataset, np.arange(len(dataset.images)))
        return -distortion - float(rates.sum())

    def sample(self, n: int = 1, *, random_state: Seed = None) -> NDArray[np.float32]:
        """Return the decoder's means of latents drawn from the prior, as `inverse_transform` does.

        Args:
            n: how many.
            random_state: of the latents; the estimator's own if None.
        """
        import torch

        check_is_fitted(self)
        seed = _seed(self.random_state if random_state is None else random_state)
        generator = torch.Generator().manual_seed(seed)
        model = self.model_.to(self._device())
        with torch.inference_mode():
            values = model.sample(n, generator).cpu()
        return (values.flatten(1) if self._form.flat else values).numpy()

    @property
    def _n_features_out(self) -> int:
        return self.config_.latents

    def __sklearn_tags__(self) -> Any:
        """Tell scikit-learn that codes are float32 whatever X is."""
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags

    def __getstate__(self) -> Any:
        """Pickle weights on the CPU, so that they load where there is no accelerator.

        The images of `fit`, which only the figures look at, are left out.
        """
        if hasattr(self, "model_"):
            self.model_.cpu()
        state = dict(super().__getstate__())
        if "_images" in state:
            state["_images"] = None
        return state

    def _own(self) -> Own:
        """Return what was given as objects rather than by name."""
        from betavae.training.build import Own

        named = (str, Mapping, Options, type(None))
        return Own(
            **{
                name: None if isinstance(value, named) else value
                for name in ("objective", "network", "latent")
                for value in (getattr(self, name),)
            }
        )

    def _config(self, data: str) -> Config:
        """Return the arguments as a configuration; what is None follows from the images."""
        own = self._own()
        objects = [
            name for name in ("objective", "network", "latent") if getattr(own, name) is not None
        ]
        given = {
            name: value
            for name, value in self.get_params(deep=False).items()
            if name not in (*OWN, *objects) and value is not None
        }
        if self.network is None and not takes_size(self.image_shape_):
            given["network"] = "mlp"
        if self._form.table:
            given.setdefault("objective", "beta")
            if self.likelihood is None:
                given["likelihood"] = "gaussian"
        given |= {"data": data, "seed": _seed(self.random_state)}
        return Config.from_mapping(given)

    def _taken(self, X: Any, *, reset: bool = False, least: int = 1) -> Dataset:
        """Check X and return it as a data set; with `reset` it decides what later X must be."""
        form = None if reset else self._form
        dataset, form = take(self, X, form, self.image_shape, least=least)
        if reset:
            self._form: Form = form
            self.image_shape_ = self._form.image_shape
            self.n_features_in_ = math.prod(self.image_shape_)
        name = table(self.likelihood or {}).get("name")
        if self._form.table and name in ("bernoulli", "continuous-bernoulli"):
            low, high = dataset.images.data.min(), dataset.images.data.max()
            if low < 0 or high > 1:
                raise InputError(
                    f"X must lie in [0, 1] with likelihood {name}, got "
                    f"{low if low < 0 else high:g}; gaussian takes any numbers"
                )
        return dataset


def from_pretrained(name: Path | str, **options: Any) -> BetaVAE:
    """Load a trained model by name or from a folder; see `BetaVAE.from_pretrained`.

    Args:
        name: a folder, a model that comes with the package, or USER/NAME on the hub.
        options: of `BetaVAE.from_pretrained`.

    Raises:
        InputError: when there is no such model, or its files are not what they should be.
    """
    return BetaVAE.from_pretrained(name, **options)


def _seed(random_state: Seed) -> int:
    """Return a whole number: an int as it is, one drawn from a generator or scikit-learn's own."""
    if isinstance(random_state, (int, np.integer)):
        return int(random_state)
    return int(check_random_state(random_state).randint(np.iinfo(np.int32).max))
