"""Encoders, decoders, likelihoods and the VAE that joins them."""
