"""Estimators as scikit-learn has them: what methods train, in pipelines and grid searches.

>>> from sklearn.model_selection import GridSearchCV
>>> search = GridSearchCV(sdprelax.ReLUClassifier(), {"gamma": [0.001, 0.01, 0.1]}).fit(X, y)
>>> model = search.best_estimator_
>>> model.predict(X), model.lower_, model.upper_, model.gap_

Every estimator makes a training problem of its data, ``problem_``: samples of weight 0 are left out, equal ones are one
sample that weighs as much as all of them, and samples are sorted. So neither their order nor whether a sample is there
twice or weighs 2 makes any difference to what is trained, not even of rounding.
"""

from __future__ import annotations

from sdprelax.estimators._gated import GatedReLUClassifier, GatedReLURegressor
from sdprelax.estimators._ntk import NTKClassifier, NTKRegressor
from sdprelax.estimators._relu import ReLUClassifier, ReLURegressor
from sdprelax.estimators._wedge import WedgeClassifier, WedgeRegressor

__all__ = [
    "GatedReLUClassifier",
    "GatedReLURegressor",
    "NTKClassifier",
    "NTKRegressor",
    "ReLUClassifier",
    "ReLURegressor",
    "WedgeClassifier",
    "WedgeRegressor",
]
