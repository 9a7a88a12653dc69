"""Codes of a whole data set, computed once: what metrics and figures work on."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from betavae._system.errors import InputError
from betavae._system.files import write_beside
from betavae.data.dataset import Dataset
from betavae.data.factors import Factors
from betavae.models.methods import Model
from betavae.models.vae import VAE
from betavae.objectives.elbo import gaussian_rate

NAME = "representation.npz"  # in a run folder


@dataclass(frozen=True)
class Representation:
    """Posterior means and log variances of the rows of a set, with factors where known.

    Attributes:
        mean: (N, M) float32.
        log_var: (N, M) float32, or None for methods without a posterior.
        factors: (N, K) int64, or None.
        factor_names: one name a factor.
        rows: (N,) int64, the rows of the data set these are.
        factor_sizes: the sizes of the factor grid when the rows are all of it in order.
    """

    mean: NDArray[np.float32]
    log_var: NDArray[np.float32] | None
    factors: NDArray[np.int64] | None
    factor_names: tuple[str, ...]
    rows: NDArray[np.int64]
    factor_sizes: tuple[int, ...] | None = None

    def rate_per_latent(self) -> NDArray[np.float64]:
        """Return the mean KL of every latent from the prior, (M,) in nats."""
        if self.log_var is None:
            raise InputError("these codes have no log variances, so no rate")
        rates = gaussian_rate(torch.from_numpy(self.mean), torch.from_numpy(self.log_var))
        return rates.mean(dim=0, dtype=torch.float64).numpy()

    def save(self, path: Path) -> None:
        """Write as .npz (no pickle), beside and renamed."""
        arrays: dict[str, NDArray[np.generic]] = {"mean": self.mean}
        if self.log_var is not None:
            arrays["log_var"] = self.log_var
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
            InputError: when the file is missing or is not a representation.
        """
        try:
            with np.load(path, allow_pickle=False) as file:
                arrays = {name: file[name] for name in file.files}
            mean, sizes = arrays["mean"], arrays.get("factor_sizes")
            rows = arrays.get("rows", np.arange(len(mean)))
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise InputError(f"cannot read the representation {path}: {error}") from None
        names = tuple(str(name) for name in arrays.get("factor_names", ()))
        grid = None if sizes is None else Factors(names, tuple(int(size) for size in sizes))
        return cls(
            mean=mean,
            log_var=arrays.get("log_var"),
            factors=arrays.get("factors") if grid is None else grid.classes(rows),
            factor_names=names,
            rows=rows,
            factor_sizes=None if grid is None else grid.sizes,
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
    mean = np.empty((len(chosen), model.latents), np.float32)
    log_var = np.empty_like(mean) if isinstance(model, VAE) else None
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
        if isinstance(model, VAE) and log_var is not None:
            means, log_vars = model.posterior_parameters(images)
            mean[part], log_var[part] = means.cpu().numpy(), log_vars.cpu().numpy()
        else:
            mean[part] = model.code_means(images).cpu().numpy()
    whole = rows is None and dataset.grid is not None
    return Representation(
        mean=mean,
        log_var=log_var,
        factors=dataset.factors(chosen),
        factor_names=dataset.factor_names,
        rows=chosen,
        factor_sizes=dataset.grid.sizes if whole and dataset.grid is not None else None,
    )
