"""The label-noise task: data, model, training loop, notebook. What is fixed for everybody."""

import os

# How long torch's OpenMP threads spin while they wait for one another; read when torch is imported. By default, two
# trainings with two threads each on two cores take nine times as long as one alone; with this value, twice as long.
os.environ.setdefault("GOMP_SPINCOUNT", "3000")
