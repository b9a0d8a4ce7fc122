"""The label-noise task: data, model, training loop, notebook. What is fixed for everybody."""
