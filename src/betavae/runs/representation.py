"""Codes of a whole data set, computed once: what metrics and figures work on."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from betavae._system.errors import InputError
from betavae._system.files import write_beside
from betavae.data.dataset import Dataset
from betavae.data.factors import Factors
from betavae.models.dcign import DCIGN
from betavae.models.latents import gaussian_rate
from betavae.models.vae import VAE
from betavae.runs.made import check_current
from betavae.training.build import Model
from betavae.training.checkpoint import weights_digest

NAME = "representation.npz"  # in a run folder


@dataclass(frozen=True)
class Representation:
    """Codes of the rows of a set with the posterior's arrays, and factors where known.

    Attributes:
        codes: (N, M) float32, what metrics judge: posterior means.
        arrays: what else the posterior keeps, by name, (N, ...) each: ``log_var`` of Gaussian
            latents, nothing for methods without a posterior.
        factors: (N, K) int64, or None.
        factor_names: one name a factor.
        rows: (N,) int64, the rows of the data set these are.
        factor_sizes: the sizes of the factor grid when the rows are all of it in order.
        weights: the digest of the weights that encoded them; empty where they are not a run's.
        files: the images' file names, empty where they have none.
    """

    codes: NDArray[np.float32]
    arrays: Mapping[str, NDArray[Any]]
    factors: NDArray[np.int64] | None
    factor_names: tuple[str, ...]
    rows: NDArray[np.int64]
    factor_sizes: tuple[int, ...] | None = None
    weights: str = ""
    files: tuple[str, ...] = ()

    @property
    def mean(self) -> NDArray[np.float32]:
        """The codes, under the name that `betavae.metrics.evaluate` asks for."""
        return self.codes

    @property
    def log_var(self) -> NDArray[np.float32] | None:
        """Log variances (N, M) of Gaussian latents, else None."""
        return self.arrays.get("log_var")

    @property
    def unit(self) -> str:
        """What the Higgins score counts the codes in: the prior's unit where they have one."""
        return "std" if self.log_var is None else "prior"

    def rate_per_latent(self) -> NDArray[np.float64]:
        """Return the mean KL of every latent from the prior, (M,) in nats."""
        if self.log_var is None:
            raise InputError("these codes have no log variances, so no rate")
        rates = gaussian_rate(torch.from_numpy(self.codes), torch.from_numpy(self.log_var))
        total: NDArray[np.float64] = rates.mean(dim=0, dtype=torch.float64).numpy()
        return total

    def picked(self, rows: NDArray[np.int64]) -> Representation:
        """Return these rows of the representation, by their place in it."""
        return Representation(
            codes=self.codes[rows],
            arrays={name: values[rows] for name, values in self.arrays.items()},
            factors=None if self.factors is None else self.factors[rows],
            factor_names=self.factor_names,
            rows=self.rows[rows],
            weights=self.weights,
            files=tuple(self.files[row] for row in rows) if self.files else (),
        )

    def save(self, path: Path) -> None:
        """Write as .npz (no pickle), beside and renamed."""
        arrays: dict[str, NDArray[Any]] = {"mean": self.codes, **self.arrays}
        if self.weights:
            arrays["weights"] = np.array(self.weights)
        if self.files:
            arrays["files"] = np.array(self.files)
        if self.factor_names:
            arrays["factor_names"] = np.array(self.factor_names)
        if self.factor_sizes is not None:
            # A whole grid's rows and factors follow from its sizes.
            arrays["factor_sizes"] = np.array(self.factor_sizes)
        else:
            arrays["rows"] = self.rows
            if self.factors is not None:
                arrays["factors"] = self.factors
        with write_beside(path) as beside, beside.open("wb") as file:
            np.savez(file, **arrays)  # type: ignore[arg-type]

    @classmethod
    def load(cls, path: Path) -> Representation:
        """Read what `save` wrote, or `mean` and what else is known of anybody's codes.

        Raises:
            InputError: when the file is missing, is not a representation, or lies in a run folder
            whose weights have changed since.
        """
        try:
            with np.load(path, allow_pickle=False) as file:
                arrays = {name: file[name] for name in file.files}
            codes, sizes = arrays.pop("mean"), arrays.pop("factor_sizes", None)
            rows = arrays.pop("rows", np.arange(len(codes)))
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise InputError(f"cannot read the representation {path}: {error}") from None
        names = tuple(str(name) for name in arrays.pop("factor_names", ()))
        weights = str(arrays.pop("weights", ""))
        check_current(Path(path), weights)
        files = tuple(str(name) for name in arrays.pop("files", ()))
        factors = arrays.pop("factors", None)
        grid = None if sizes is None else Factors(names, tuple(int(size) for size in sizes))
        return cls(
            codes=codes,
            arrays=arrays,
            factors=factors if grid is None else grid.classes(rows),
            factor_names=names,
            rows=rows,
            factor_sizes=None if grid is None else grid.sizes,
            weights=weights,
            files=files,
        )


@torch.inference_mode()
def represent(
    model: Model,
    dataset: Dataset,
    *,
    rows: NDArray[np.int64] | None = None,
    device: torch.device | str = "cpu",
    batch: int = 1024,
    progress: bool = False,
) -> Representation:
    """Encode rows of a data set (all of them if None) in one pass.

    Args:
        model: moved to `device`, put in eval mode; one without a posterior gives no variances.
        dataset: the images and, where known, their factors.
        rows: (n,) row numbers.
        device: where to encode.
        batch: images at a time.
        progress: show a bar on stderr.
    """
    chosen = np.arange(len(dataset.images)) if rows is None else np.asarray(rows, np.int64)
    model = model.to(device).eval()
    codes = np.empty((len(chosen), model.latents), np.float32)
    arrays: dict[str, NDArray[Any]] = {}
    starts = range(0, len(chosen), batch)
    if progress:
        from rich.console import Console
        from rich.progress import track

        steps = track(
            starts, "encoding", console=Console(stderr=True), transient=True, disable=False
        )
    else:
        steps = starts
    for start in steps:
        part = slice(start, start + batch)
        images = dataset.images.batch(torch.from_numpy(chosen[part]), device)
        if not (isinstance(model, VAE) or (isinstance(model, DCIGN) and model.variational)):
            codes[part] = model.code_means(images).cpu().numpy()
            continue
        posterior = model.encode(images)
        codes[part] = posterior.codes.cpu().numpy()
        for name, values in posterior.arrays().items():
            if values is posterior.codes:
                continue
            found = values.cpu().numpy()
            if name not in arrays:
                arrays[name] = np.empty((len(chosen), *found.shape[1:]), found.dtype)
            arrays[name][part] = found
    whole = rows is None and dataset.grid is not None
    return Representation(
        codes=codes,
        arrays=arrays,
        factors=dataset.factors(chosen),
        factor_names=dataset.factor_names,
        rows=chosen,
        factor_sizes=dataset.grid.sizes if whole and dataset.grid is not None else None,
        weights=weights_digest(model.state_dict()),
        files=tuple(dataset.files[row] for row in chosen) if dataset.files else (),
    )
