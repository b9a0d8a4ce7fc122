"""The label-noise task: data, model, training loop, notebook. What is fixed for everybody."""

import os
import sys

# How long torch's OpenMP threads spin while they wait for one another; read when torch is imported. By default, two
# trainings with two threads each on two cores take nine times as long as one alone; with this value, twice as long.
os.environ.setdefault("GOMP_SPINCOUNT", "3000")

# nbformat's jsonschema loads a grammar of IRIs where it is installed, as with JupyterLab: 1.4 s for a check that no
# notebook has. None makes that import fail, which jsonschema allows for.
sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]
