"""The report's words, each explained in a sentence, on hover and on tap."""

from __future__ import annotations

GLOSSARY = {
    "Disentanglement score": (
        "The paper's metric: how often a linear classifier names the factor that pairs of images "
        "share, from the differences of their codes."
    ),
    "Distortion": "What the picture loses on its way through the codes: −log p(x|z), in nats.",
    "Rate": (
        "How much the codes say about an image: their KL divergence from the prior, in nats, "
        "summed over the latents."
    ),
    "nats": "Units of information: one nat is 1.44 bits.",
    "Active latents": (
        "Latents that carry more than 0.1 nats on average; the others hold the prior's noise."
    ),
    "β": "Weight of the rate in the loss: distortion + β × rate, where nothing else is in it.",
    "L": "Pairs of images whose differences are averaged into one point of the paper's metric.",
    "Images seen": "Images shown to the model in training, each as often as it was shown.",
}
