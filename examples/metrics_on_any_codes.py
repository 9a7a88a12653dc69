"""Metrics on anybody's codes: here PCA of small pictures; nothing of betavae's models is used.

`betavae.metrics` needs arrays only: codes (N, M) and factors (N, K). It does not import PyTorch.

Run: python examples/metrics_on_any_codes.py
"""

from pathlib import Path

import numpy as np
from sklearn.decomposition import PCA, FastICA

from betavae.figures import factor_table, save
from betavae.metrics import Codes, evaluate, mig_score

rng = np.random.default_rng(0)
factors = rng.integers(0, [3, 12, 12], size=(4000, 3))  # width, row, column of a bar
names = ("width", "row", "column")
pictures = np.zeros((4000, 16, 16))
for picture, (width, row, column) in zip(pictures, factors, strict=True):
    picture[row : row + 4, column : column + 2 + width] = 1
pixels = pictures.reshape(4000, -1) + 0.05 * rng.normal(size=(4000, 256))

for name, method in {"PCA": PCA(6), "ICA": FastICA(6, random_state=0)}.items():
    codes = method.fit_transform(pixels)
    results = evaluate(Codes(codes, factors, factor_names=names), metrics="mig,sap,dci:fast,irs")
    print(f"{name}\n{results}\n")

result = mig_score(codes, factors)  # one metric alone, with its parts
print(result.protocol, result.score, result.interval, result.per_factor)

correlations = np.abs(np.corrcoef(codes.T, factors.T)[:6, 6:])
figure = factor_table(correlations, names, title="ICA", unit="absolute correlation", most=1)
print("written:", save(figure, Path("ica.png")))
