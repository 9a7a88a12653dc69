"""Measures of disentanglement on plain arrays, each with named protocols.

``metric(codes, factors, *, protocol=..., rng=...)``: codes (N, M) from any model, factors (N, K)
whole numbers with -1 for "not known". A result has `.score`, a 95 % `.interval`, `.to_dict()` and
``float(result)``. Neither torch nor anything else of betavae is needed.
"""

from betavae.metrics._shared.binning import bin_codes, bin_factors
from betavae.metrics._shared.checks import live_latents
from betavae.metrics.catalogue import evaluate_names
from betavae.metrics.codes import Codes
from betavae.metrics.dci import DciResult, dci_scores
from betavae.metrics.elbo import ElboTerms, elbo_terms
from betavae.metrics.evaluation import evaluate
from betavae.metrics.explicitness import ExplicitnessResult, explicitness_score
from betavae.metrics.factor_vae import FactorVaeResult, factor_vae_score
from betavae.metrics.gaussian import GaussianResult, gaussian_total_correlation
from betavae.metrics.higgins import HigginsResult, higgins_score
from betavae.metrics.infomec import InfomecResult, infomec_scores
from betavae.metrics.irs import IrsResult, irs_score
from betavae.metrics.jemmig import JemmigResult, jemmig_score
from betavae.metrics.latents import ActiveUnitsResult, RateResult, active_units, rate_per_latent
from betavae.metrics.mig import MigResult, mig_score
from betavae.metrics.modularity import ModularityResult, modularity_score
from betavae.metrics.sap import SapResult, sap_score
from betavae.metrics.summary import Results
from betavae.metrics.udr import ModelScores, model_centrality, udr_scores

__all__ = [
    "ActiveUnitsResult",
    "Codes",
    "DciResult",
    "ElboTerms",
    "ExplicitnessResult",
    "FactorVaeResult",
    "GaussianResult",
    "HigginsResult",
    "InfomecResult",
    "IrsResult",
    "JemmigResult",
    "MigResult",
    "ModelScores",
    "ModularityResult",
    "RateResult",
    "Results",
    "SapResult",
    "active_units",
    "bin_codes",
    "bin_factors",
    "dci_scores",
    "elbo_terms",
    "evaluate",
    "evaluate_names",
    "explicitness_score",
    "factor_vae_score",
    "gaussian_total_correlation",
    "higgins_score",
    "infomec_scores",
    "irs_score",
    "jemmig_score",
    "live_latents",
    "mig_score",
    "model_centrality",
    "modularity_score",
    "rate_per_latent",
    "sap_score",
    "udr_scores",
]
