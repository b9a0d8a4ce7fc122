"""DVRL outside the notebook: data values for any classified images, or features.

    from benchmarks.dvrl import DVRL, load, save

    dvrl = DVRL().fit(images, labels, val_images, val_labels)
    dvrl.data_values                      # of the samples that it was fitted on
    dvrl.value(other_images, other_labels)
    save(dvrl, Path("valuator.safetensors"))

The mathematics is that of `reference_solutions/dvrl_filter.py`; with the cell's settings both give the same bits. Its
modules:

    rewards      what a predictor is rewarded for
    core         the valuator
    storage      saves and loads one
    encoder      an ImageNet Inception-v3 from a file of weights
    folder       train.npz, valid.npz and test.npz, read within bounds, or made
    evaluations  the three evaluations of the guide, for any values
    drawing      their table and their plot
"""

from benchmarks.dvrl.core import DVRL
from benchmarks.dvrl.storage import load, save

__all__ = ["DVRL", "load", "save"]
