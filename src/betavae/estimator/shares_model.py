"""Models that leave the machine, or come to it: folders for the hub, and run folders."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted
from typing_extensions import Self

from betavae._system.errors import InputError
from betavae.data.dataset import Dataset
from betavae.data.estimator_input import Form
from betavae.estimator.fitted import Fitted

if TYPE_CHECKING:
    from betavae.runs.pretrained_folder import Pretrained
    from betavae.training.records import Record

IMAGES = "images.npz"  # in a run folder: images that have no name to be loaded by


class SharesModel(Fitted):
    """The part of `BetaVAE` that writes and reads models."""

    def save_run(self, folder: Path | str) -> Path:
        """Write a run folder, as `betavae train` does: for its commands, and for `from_run`.

        Images that cannot be loaded by a name go with it, as images.npz.

        Args:
            folder: made where missing; must not hold a run.

        Returns:
            The folder.

        Raises:
            InputError: for a table, a model without its images, a folder that holds a run, or
                one that cannot be written.
        """
        from betavae import data as datasets
        from betavae.data.source import Source
        from betavae.training import checkpoint
        from betavae.training.config_file import write_config
        from betavae.training.records import start_log

        check_is_fitted(self)
        folder = Path(folder)
        if self._form.table:
            raise InputError("runs are of images; save a model of a table with save_pretrained")
        if self._images is None:
            raise InputError("the images of fit are not at hand; fit again, or use save_pretrained")
        if (folder / checkpoint.NAME).exists():
            raise InputError(f"{folder} already holds a run; choose another folder")
        folder.mkdir(parents=True, exist_ok=True)
        config = self.config_.replaced(data=_named(self._images, folder))
        write_config(folder, config)
        log = start_log(folder, None)
        log.write_text("".join(f"{one.to_json()}\n" for one in self.records_), encoding="utf-8")
        seen = self.records_[-1].images if self.records_ else 0
        rows = len(self._images.images)
        seconds = self.records_[-1].seconds if self.records_ else 0.0
        header = checkpoint.Header(
            config, self.image_shape_, rows, math.ceil(seen / min(config.batch, rows)), seconds
        )
        source = Source.of(datasets.load(config.data, **config.load_options()), folder)
        header = replace(header, source=source)
        state = None if self._learner is None else self._learner.state()
        checkpoint.save(folder, header, self.model_, state)
        return folder

    @classmethod
    def from_run(cls, folder: Path | str) -> Self:
        """Load the model of a run folder, made by `betavae train` or `save_run`.

        Args:
            folder: the run's.

        Raises:
            InputError: when it is no run of a VAE.
        """
        import torch

        from betavae.models.vae import VAE
        from betavae.runs.pretrained_folder import Pretrained
        from betavae.training.checkpoint import load_model
        from betavae.training.records import RECORDS, read_records

        model, header = load_model(Path(folder))
        if not isinstance(model, VAE):
            raise InputError(
                f"{folder} must be a run of a VAE, got method {header.config.method.name}"
            )
        # As the weights lay in training: the same codes, to the last bit.
        model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        records = read_records(Path(folder) / RECORDS)
        return cls._of(Pretrained(model, header.config, header.image_shape), records)

    def save_pretrained(
        self, folder: Path | str, *, scores: Mapping[str, float] | None = None
    ) -> Path:
        """Write the fitted model for `from_pretrained`: config.json, model.safetensors, a card.

        No image of the training set and no path of this machine is written.

        Args:
            folder: made where missing.
            scores: numbers for the card, README.md, by name.

        Returns:
            The folder.

        Raises:
            InputError: when the folder cannot be written.
        """
        from betavae.sharing.pretrained import write_pretrained

        write_pretrained(Path(folder), self._pretrained(), self._last_record(), scores)
        return Path(folder)

    @classmethod
    def from_pretrained(
        cls,
        name: Path | str,
        *,
        revision: str | None = None,
        token: str | bool | None = None,
        cache_dir: Path | str | None = None,
        local_files_only: bool = False,
    ) -> Self:
        """Load what `save_pretrained` or `betavae export` wrote. Nothing of it is executed.

        Args:
            name: a folder; a model that comes with the package (``"shapes2d-settle"``); or
                USER/NAME on the Hugging Face hub (``pip install betavae[hub]``).
            revision: branch, tag or commit on the hub.
            token: of the hub; the stored one if None.
            cache_dir: where downloads are kept.
            local_files_only: take a download that is there, and do not ask the hub.

        Raises:
            InputError: when there is no such model, or its files are not what they should be.
        """
        from betavae.runs.pretrained_folder import read_pretrained
        from betavae.sharing.shipped import shipped_folder, shipped_names

        if Path(name).is_dir():
            found = read_pretrained(Path(name))
        elif str(name) in shipped_names():
            found = read_pretrained(shipped_folder(str(name)))
        else:
            from betavae.sharing.hub import download

            found = download(
                str(name), revision=revision, token=token, cache_dir=cache_dir,
                local_files_only=local_files_only,
            )  # fmt: skip
        return cls._of(found, [])

    @classmethod
    def _of(cls, found: Pretrained, records: list[Record]) -> Self:
        """Return the estimator of a trained model."""
        make: Any = cls
        known = make().get_params()
        options = {name: value for name, value in found.config.given().items() if name in known}
        form = Form(found.image_shape, found.flat, found.white)
        shape = form.image_shape if form.flat and not form.table else None
        estimator: Self = make(**options, image_shape=shape, random_state=found.config.seed)
        estimator.model_, estimator.config_, estimator.records_ = found.model, found.config, records
        estimator._learner, estimator._form, estimator._images = None, form, None
        estimator.image_shape_ = form.image_shape
        estimator.n_features_in_ = math.prod(form.image_shape)
        if found.feature_names is not None:
            estimator.feature_names_in_ = np.array(found.feature_names, object)
        return estimator

    def push_to_hub(
        self,
        repo_id: str,
        *,
        scores: Mapping[str, float] | None = None,
        private: bool | None = None,
        token: str | bool | None = None,
        branch: str | None = None,
        create_pr: bool = False,
        message: str = "Upload a betavae model",
    ) -> str:
        """Put what `save_pretrained` writes on the Hugging Face hub (``betavae[hub]``).

        Args:
            repo_id: USER/NAME, made where missing.
            scores: numbers for the card, by name.
            private: whether a new repository is private; the account's default if None.
            token: of the hub; the stored one if None.
            branch: to commit to.
            create_pr: open a pull request instead.
            message: of the commit.

        Returns:
            The commit's address.

        Raises:
            InputError: when the hub's library is missing, or the hub refuses.
        """
        from betavae.sharing.hub import SharedVAE, upload

        return upload(
            SharedVAE.of(self._pretrained(), self._last_record(), scores), repo_id, private=private,
            token=token, branch=branch, create_pr=create_pr, commit_message=message,
        )  # fmt: skip

    def _pretrained(self) -> Pretrained:
        from betavae.runs.pretrained_folder import Pretrained

        check_is_fitted(self)
        names = getattr(self, "feature_names_in_", None)
        return Pretrained(
            self.model_,
            self.config_,
            self.image_shape_,
            self._form.flat,
            self._form.white,
            None if names is None else tuple(map(str, names)),
        )

    def _last_record(self) -> Record | None:
        return self.records_[-1] if self.records_ else None


def _named(dataset: Dataset, folder: Path) -> str:
    """Return the name that loads a data set; its images are written where there is none."""
    from betavae.data.sets import SETS

    if dataset.name == "shapes2d" or dataset.name in SETS or Path(dataset.name).exists():
        return dataset.name
    store = dataset.images
    values: NDArray[Any] = store.data
    if store.packed:
        values = np.unpackbits(values.view(np.uint8), axis=1).reshape(
            len(store), *store.image_shape
        )
    factors = dataset.factors(np.arange(len(store)))
    known: dict[str, Any] = {}
    if factors is not None:
        known = {"factors": factors, "factor_names": np.array(dataset.factor_names)}
    np.savez_compressed(folder / IMAGES, images=values, **known)
    return str((folder / IMAGES).resolve())
