"""BetaVAE: the whole system behind scikit-learn's fit and transform."""

from betavae.estimator.beta_vae import OWN, BetaVAE, from_pretrained

__all__ = ["OWN", "BetaVAE", "from_pretrained"]
