"""The figures that have a name, in one line each; light, so that --help stays fast."""

from __future__ import annotations

from betavae._system.errors import InputError, did_you_mean

FIGURES = {
    "traversals": "what each latent draws, methods side by side (the paper's Figs. 1-4)",
    "size-and-beta": "score over beta_norm and latents, runs or a study (Fig. 5, right)",
    "responses": "what each latent answers to: position, scale, rotation, by shape (Fig. 6)",
    "curves": "distortion, rate and loss through training",
    "rates": "rate of each latent",
    "rates-training": "rate of each latent through training",
    "reconstructions": "images of the set beside their reconstructions",
    "information": "mutual information of latents and factors",
    "importance": "DCI importance of latents for factors",
    "score-pairs": "the Higgins score against L, the pairs averaged into one point",
    "table": "scores beside the paper's, from a table study (Fig. 5, left)",
    "rate-distortion": "distortion against rate over beta, from a rate-distortion study",
    "dual": "slope of the best likelihood and multipliers, from a dual study",
}


def check_name(name: str) -> str:
    """Return the name of a figure.

    Raises:
        InputError: for another one, with the nearest.

    >>> check_name("response")
    Traceback (most recent call last):
    ...
    betavae.InputError: no figure 'response'; did you mean 'responses'?
    """
    if name in FIGURES:
        return name
    hint = did_you_mean(name, FIGURES) or f"; there are {', '.join(FIGURES)}"
    raise InputError(f"no figure '{name}'{hint}")


def listing() -> str:
    """Return the names with their meanings, a line each."""
    width = max(map(len, FIGURES))
    return "\n".join(f"  {name:<{width}}  {about}" for name, about in FIGURES.items())
