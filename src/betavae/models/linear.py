"""The linear baselines: PCA over every image of a set, and ICA on its whitened pixels."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from betavae._system.errors import InputError
from betavae.data.images import ImageStore
from betavae.models.methods import FitOptions

BLOCK = 4096  # images at a time: 64 MB of float32 pixels, and float32 sums that stay exact
Floats = NDArray[np.float64]
Watch = Callable[[Iterable[int], str], Iterable[int]]
"""Wraps a loop over blocks, named, to show its progress."""


class Affine(nn.Module):
    """Codes that are an affine map of the pixels, and the images they stand for.

    Args:
        mean: (C, H, W) the mean image.
        weights: (M, C*H*W), code = weights @ (pixels - mean).
        patterns: (C*H*W, M), image = mean + patterns @ code.

    >>> model = Affine(torch.zeros(1, 2, 2), torch.eye(4)[:2], torch.eye(4)[:, :2])
    >>> model.code_means(torch.ones(3, 1, 2, 2)).shape, model.latents
    (torch.Size([3, 2]), 2)
    """

    mean: Tensor
    weights: Tensor
    patterns: Tensor

    def __init__(self, mean: Tensor, weights: Tensor, patterns: Tensor) -> None:
        super().__init__()
        self.register_buffer("mean", mean)
        self.register_buffer("weights", weights)
        self.register_buffer("patterns", patterns)

    @classmethod
    def empty(cls, image_shape: tuple[int, int, int], latents: int) -> Affine:
        """Return the module before it is fitted, to load weights into."""
        pixels = math.prod(image_shape)
        return cls(
            torch.zeros(image_shape), torch.zeros(latents, pixels), torch.zeros(pixels, latents)
        )

    def code_means(self, images: Tensor) -> Tensor:
        """Return the codes (B, M) of images (B, C, H, W)."""
        return (images - self.mean).flatten(1) @ self.weights.T

    def decode(self, latents: Tensor) -> Tensor:
        """Return the images (B, C, H, W) of codes (B, M), cut to [0, 1]."""
        images = (latents @ self.patterns.T).view(len(latents), *self.mean.shape) + self.mean
        return images.clamp(0, 1)

    @property
    def latents(self) -> int:
        """Number of latents, M."""
        return len(self.weights)


@dataclass(frozen=True)
class Moments:
    """Sums over images from which mean and covariance follow.

    Attributes:
        rows: number of images.
        live: (P,) the pixels that are set in any image; the others are 0 throughout.
        total: (P',) sum of each live pixel.
        products: (P', P') sum of the products of live pixels.
    """

    rows: int
    live: NDArray[np.bool_]
    total: Floats
    products: Floats

    def __add__(self, other: Moments) -> Moments:
        """Return the sums over both sets of images; both of the same store."""
        return Moments(
            self.rows + other.rows,
            self.live,
            self.total + other.total,
            self.products + other.products,
        )

    @property
    def mean(self) -> Floats:
        """Mean image, (P,)."""
        mean = np.zeros(len(self.live))
        mean[self.live] = self.total / self.rows
        return mean

    def covariance(self) -> Floats:
        """Return the covariance of the live pixels, (P', P'), with divisor n - 1."""
        mean = self.total / self.rows
        centred = self.products - self.rows * np.outer(mean, mean)
        return np.asarray(centred / (self.rows - 1))


def no_watch(blocks: Iterable[int], title: str) -> Iterable[int]:
    """Show nothing."""
    return blocks


def moments(
    store: ImageStore, rows: NDArray[np.int64] | None = None, *, watch: Watch = no_watch
) -> Moments:
    """Sum pixels and their products, exactly, over rows of a store (all of them if None).

    Binary pixels are multiplied in float32, where sums of up to 2^24 are exact, a block at a
    time; the blocks add up in float64. Pixels of 0..255 are multiplied in float64. One triangle
    of the products is computed, over the pixels that ever differ from 0.

    Raises:
        InputError: for fewer than two rows.
    """
    from scipy.linalg import blas

    chosen = np.arange(len(store)) if rows is None else np.asarray(rows, np.int64)
    if len(chosen) < 2:
        raise InputError(f"PCA needs at least 2 images, got {len(chosen)}")
    live = store.ever_set()
    picked = torch.from_numpy(np.flatnonzero(live))
    unit = 1.0 if store.packed else 255.0
    total, products = np.zeros(len(picked)), np.zeros((len(picked), len(picked)))
    for start in watch(range(0, len(chosen), BLOCK), "sums of pixel products"):
        part = torch.from_numpy(chosen[start : start + BLOCK])
        pixels = store.batch(part).flatten(1).index_select(1, picked)
        if not store.packed:
            pixels = pixels.double().mul_(unit).round_()
        block = pixels.numpy()
        # The transpose is a view in Fortran order, which BLAS takes without a copy.
        multiply = blas.ssyrk if store.packed else blas.dsyrk
        products += multiply(1.0, block.T)
        total += block.sum(axis=0, dtype=np.float64)
    products = np.triu(products)
    products += np.triu(products, 1).T
    return Moments(len(chosen), live, total / unit, products / unit**2)


def principal_axes(found: Moments, components: int) -> tuple[Floats, Floats]:
    """Return the largest variances (M,), falling, and their axes (M, P), of unit length.

    An axis is only known up to its sign: the entry of largest magnitude is made positive.

    Raises:
        InputError: when fewer than `components` directions vary.
    """
    from scipy.sparse.linalg import eigsh

    covariance = found.covariance()
    if components >= len(covariance):
        raise InputError(
            f"latents must be below the number of pixels that vary, {len(covariance)}, "
            f"got {components}"
        )
    size = np.trace(covariance)
    if size <= 1e-12 * np.trace(found.products) / found.rows:
        raise InputError("PCA needs images that differ, got the same image throughout")
    # Not ones: where all images are equally bright in sum, those are no direction at all.
    start = np.linspace(1.0, 2.0, len(covariance))
    variances, vectors = eigsh(covariance, k=components, which="LA", v0=start)
    variances, vectors = variances[::-1], vectors[:, ::-1].T
    if variances[-1] <= 1e-12 * variances[0]:
        raise InputError(
            f"the images vary in {int((variances > 1e-12 * variances[0]).sum())} directions, "
            f"too few for latents {components}"
        )
    top = np.abs(vectors).argmax(axis=1)
    vectors = vectors * np.sign(vectors[np.arange(components), top])[:, None]
    axes = np.zeros((components, len(found.live)))
    axes[:, found.live] = vectors
    return variances, axes


def pca(found: Moments, image_shape: tuple[int, int, int], components: int) -> Affine:
    """Return whitened principal components: codes of variance 1 that do not correlate.

    Source: Higgins et al. 2017, A.3.

    Raises:
        InputError: when fewer than `components` directions vary.
    """
    variances, axes = principal_axes(found, components)
    scale = np.sqrt(variances)[:, None]
    return _affine(found.mean, axes / scale, (axes * scale).T, image_shape)


def ica(
    store: ImageStore,
    whitened: Affine,
    *,
    rows: NDArray[np.int64] | None = None,
    seed: int = 0,
    watch: Watch = no_watch,
) -> tuple[Affine, bool]:
    """Turn whitened codes into independent ones: FastICA, parallel, log cosh.

    Args:
        store: the images.
        whitened: what `pca` returns, of the same images.
        rows: the images to fit on; all of them if None.
        seed: seed of the first unmixing matrix.
        watch: shows progress.

    Returns:
        The model, and whether FastICA converged.

    Source: Hyvarinen 1999; Higgins et al. 2017, A.3.
    """
    import warnings

    from sklearn.decomposition import FastICA
    from sklearn.exceptions import ConvergenceWarning

    chosen = np.arange(len(store)) if rows is None else np.asarray(rows, np.int64)
    codes = np.empty((len(chosen), whitened.latents), np.float32)
    for start in watch(range(0, len(chosen), BLOCK), "whitening"):
        part = torch.from_numpy(chosen[start : start + BLOCK])
        codes[start : start + BLOCK] = whitened.code_means(store.batch(part)).numpy()
    fit = FastICA(whiten=False, random_state=seed, max_iter=500)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        fit.fit(codes)
    turn = np.asarray(fit.components_, np.float64)
    weights = turn @ whitened.weights.double().numpy()
    patterns = whitened.patterns.double().numpy() @ np.linalg.inv(turn)
    mean = whitened.mean.flatten().double().numpy()
    model = _affine(mean, weights, patterns, tuple(whitened.mean.shape))
    return model, fit.n_iter_ < 500


def _affine(
    mean: Floats, weights: Floats, patterns: Floats, image_shape: tuple[int, ...]
) -> Affine:
    def single(array: Floats) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(array, np.float32))

    return Affine(single(mean.reshape(image_shape)), single(weights), single(patterns))


class PCAMethod(FitOptions):
    """Principal components of the pixels."""

    name: Literal["pca"] = "pca"
    title = "PCA"
    takes = ()


class ICAMethod(FitOptions):
    """Independent components of the whitened pixels."""

    name: Literal["ica"] = "ica"
    title = "ICA"
    takes = ()
