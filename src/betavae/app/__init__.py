"""The latent explorer: a small server on this machine and one page in the browser."""
