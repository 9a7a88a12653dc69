"""Measures of disentanglement on plain arrays, each with named protocols.

``metric(codes, factors, *, protocol=..., rng=...)``: codes (N, M) from any model, factors (N, K)
whole numbers with -1 for "not known", or text; arrays, tensors, data frames or lists. A result has
`.score`, a 95 % `.interval`, `.about`, `.to_dict()` and ``float(result)``. Neither torch nor
anything else of betavae is needed. Names are resolved on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from betavae._system.lazy import lazy

if TYPE_CHECKING:
    from betavae.metrics._shared.binning import bin_codes as bin_codes
    from betavae.metrics._shared.binning import bin_factors as bin_factors
    from betavae.metrics._shared.draws import Draws as Draws
    from betavae.metrics._shared.factors import FactorTable as FactorTable
    from betavae.metrics._shared.factors import factor_table as factor_table
    from betavae.metrics._shared.moments import live_latents as live_latents
    from betavae.metrics._shared.results import About as About
    from betavae.metrics.catalogue import choose as choose
    from betavae.metrics.catalogue import evaluate_names as evaluate_names
    from betavae.metrics.codes import Codes as Codes
    from betavae.metrics.dci import DciResult as DciResult
    from betavae.metrics.dci import dci_scores as dci_scores
    from betavae.metrics.dci_es import DciEsResult as DciEsResult
    from betavae.metrics.dci_es import dci_es_scores as dci_es_scores
    from betavae.metrics.downstream import DownstreamResult as DownstreamResult
    from betavae.metrics.downstream import downstream_score as downstream_score
    from betavae.metrics.elbo import ElboTerms as ElboTerms
    from betavae.metrics.elbo import elbo_terms as elbo_terms
    from betavae.metrics.evaluation import evaluate as evaluate
    from betavae.metrics.explicitness import ExplicitnessResult as ExplicitnessResult
    from betavae.metrics.explicitness import explicitness_score as explicitness_score
    from betavae.metrics.factor_vae import FactorVaeResult as FactorVaeResult
    from betavae.metrics.factor_vae import factor_vae_score as factor_vae_score
    from betavae.metrics.gaussian_tc import GaussianResult as GaussianResult
    from betavae.metrics.gaussian_tc import gaussian_total_correlation as gaussian_total_correlation
    from betavae.metrics.higgins import HigginsResult as HigginsResult
    from betavae.metrics.higgins import higgins_score as higgins_score
    from betavae.metrics.infomec import InfomecResult as InfomecResult
    from betavae.metrics.infomec import infomec_scores as infomec_scores
    from betavae.metrics.irs import IrsResult as IrsResult
    from betavae.metrics.irs import irs_score as irs_score
    from betavae.metrics.jemmig import JemmigResult as JemmigResult
    from betavae.metrics.jemmig import jemmig_score as jemmig_score
    from betavae.metrics.mcc import MccResult as MccResult
    from betavae.metrics.mcc import mcc_score as mcc_score
    from betavae.metrics.mig import MigResult as MigResult
    from betavae.metrics.mig import mig_score as mig_score
    from betavae.metrics.modularity import ModularityResult as ModularityResult
    from betavae.metrics.modularity import modularity_score as modularity_score
    from betavae.metrics.rate import RateResult as RateResult
    from betavae.metrics.rate import rate_per_latent as rate_per_latent
    from betavae.metrics.sap import SapResult as SapResult
    from betavae.metrics.sap import sap_score as sap_score
    from betavae.metrics.summary import Results as Results
    from betavae.metrics.udr import ModelScores as ModelScores
    from betavae.metrics.udr import model_centrality as model_centrality
    from betavae.metrics.udr import udr_scores as udr_scores
    from betavae.metrics.units import ActiveUnitsResult as ActiveUnitsResult
    from betavae.metrics.units import active_units as active_units

_HOMES = {
    "_shared.binning": ("bin_codes", "bin_factors"),
    "_shared.draws": ("Draws",),
    "_shared.factors": ("FactorTable", "factor_table"),
    "_shared.moments": ("live_latents",),
    "_shared.results": ("About",),
    "catalogue": ("choose", "evaluate_names"),
    "codes": ("Codes",),
    "dci": ("DciResult", "dci_scores"),
    "dci_es": ("DciEsResult", "dci_es_scores"),
    "downstream": ("DownstreamResult", "downstream_score"),
    "elbo": ("ElboTerms", "elbo_terms"),
    "evaluation": ("evaluate",),
    "explicitness": ("ExplicitnessResult", "explicitness_score"),
    "factor_vae": ("FactorVaeResult", "factor_vae_score"),
    "gaussian_tc": ("GaussianResult", "gaussian_total_correlation"),
    "higgins": ("HigginsResult", "higgins_score"),
    "infomec": ("InfomecResult", "infomec_scores"),
    "irs": ("IrsResult", "irs_score"),
    "jemmig": ("JemmigResult", "jemmig_score"),
    "mcc": ("MccResult", "mcc_score"),
    "mig": ("MigResult", "mig_score"),
    "modularity": ("ModularityResult", "modularity_score"),
    "rate": ("RateResult", "rate_per_latent"),
    "sap": ("SapResult", "sap_score"),
    "summary": ("Results",),
    "udr": ("ModelScores", "model_centrality", "udr_scores"),
    "units": ("ActiveUnitsResult", "active_units"),
}
_MODULES = {name: module for module, names in _HOMES.items() for name in names}
__all__ = sorted(_MODULES)
__getattr__, __dir__ = lazy(__name__, _MODULES)
