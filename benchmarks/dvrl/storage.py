"""Saves a fitted valuator as one safetensors file, and loads it: numbers and a few words, nothing that is executed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from benchmarks.dvrl.core import ACTIVATIONS, DVRL
from benchmarks.images_and_labels import MOST_CLASSES
from competition.untrusted_file import NotAFile, TooLarge, read_untrusted_file
from grader.safe_io import write_whole
from reference_solutions.dvrl_filter import flatten

FORMAT = "dvrl-valuator-1"
MOST_BYTES = 1 << 29
MOST = 1 << 20  # of any size in the description; the arrays of the file must have them too
NUMBERS = ("num_classes", "hidden_dim", "comb_dim", "layer_number", "features", "best_step", "seed")
MOST_LAYERS = 100


def save(dvrl: DVRL, path: Path) -> None:
    """Write a fitted valuator into a safetensors file, whole or not at all.

    Its encoder is saved only where it is the default one, a PCA: another must be given to `load` again.

    Raises:
        ValueError: it was not fitted; or its predictor is a classifier of one's own, which is not numbers alone.
        OSError: the file cannot be written.
    """
    if not hasattr(dvrl, "estimator"):
        raise ValueError("call fit first: there is nothing to save")
    if not isinstance(dvrl.predictor, str):
        raise ValueError("only the predictors 'ridge' and 'softmax' can be saved, not a classifier of your own")
    tensors = {f"estimator.{name}": tensor for name, tensor in dvrl.estimator.state_dict().items()}
    tensors["validation_model"] = dvrl.validation_model.coefficients
    tensors["predictor"] = dvrl.predictor_.coefficients
    tensors["range"] = torch.stack([dvrl.lowest, dvrl.highest])
    tensors["data_values"] = torch.from_numpy(dvrl.data_values)
    if not dvrl.own_encoder:
        pca = dvrl.encoder[-1]
        for name in ("mean", "components", "explained_variance"):
            tensors[f"encoder.{name}"] = torch.from_numpy(np.ascontiguousarray(getattr(pca, f"{name}_"), np.float32))
    features = dvrl.validation_model.coefficients.shape[0] - 1
    description = {
        **{name: getattr(dvrl, name) for name in NUMBERS if name != "features"},
        "features": features,
        "sample_shape": dvrl.sample_shape,
        **{name: getattr(dvrl, name) for name in ("predictor", "metric", "activation", "own_encoder")},
    }
    arrays = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    write_whole(path, save_tensors(arrays, {"format": FORMAT, "description": json.dumps(description)}))


def load(path: Path, encoder: Any = None, device: str = "cpu") -> DVRL:
    """Read a valuator that `save` wrote; it values and predicts, and can be fitted again.

    Args:
        encoder: the fitted encoder that it was made with, where that was one of your own.

    Raises:
        ValueError: the file is missing, or no such valuator; or an encoder is needed, or given and not needed.
    """
    try:
        content = read_untrusted_file(path, MOST_BYTES, follow=True)
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}") from None
    except NotAFile:
        raise ValueError(f"{path} is no regular file") from None
    except TooLarge as error:
        raise ValueError(f"{path} has {error.size} bytes; a valuator has at most {MOST_BYTES}") from None
    try:
        tensors = load_tensors(content)
        described, sizes = read_description(content)
        dvrl = build(described, sizes, tensors, encoder)
    except (SafetensorError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"{path} is no valuator that was saved here: {error}") from None
    if dvrl.own_encoder != (encoder is not None):
        needs = "needs the encoder that it was fitted with" if dvrl.own_encoder else "has an encoder of its own"
        raise ValueError(f"{path} {needs}")
    return move(dvrl, device)


def read_description(content: bytes) -> tuple[dict[str, Any], dict[str, int]]:
    """Read the description of a file that is safetensors: all of it, and its sizes.

    Raises:
        KeyError, TypeError, ValueError: it is not what `save` writes.
    """
    length = int.from_bytes(content[:8], "little")
    metadata = json.loads(content[8 : 8 + length]).get("__metadata__") or {}
    if metadata.get("format") != FORMAT:
        raise ValueError(f"its format is not {FORMAT}")
    described = json.loads(metadata["description"])
    sizes = {name: described[name] for name in NUMBERS}
    shape = described["sample_shape"]
    for size in (*sizes.values(), *shape):
        if type(size) is not int or not 0 <= size <= MOST:
            raise ValueError(f"a size in its description is {size!r}")
    if sizes["features"] == 0 or 0 in shape:
        raise ValueError("its description has samples of size 0")
    if not 2 <= sizes["layer_number"] <= MOST_LAYERS or not 2 <= sizes["num_classes"] <= MOST_CLASSES:
        raise ValueError("its description has an impossible number of layers or classes")
    if len(shape) not in (1, 3) or type(described["own_encoder"]) is not bool:
        raise ValueError("its description is incomplete")
    if described["activation"] not in ACTIVATIONS or described["predictor"] not in ("ridge", "softmax"):
        raise ValueError("its description names an unknown activation or predictor")
    return described, sizes


def build(described: dict[str, Any], sizes: dict[str, int], tensors: dict[str, torch.Tensor], encoder: Any) -> DVRL:
    """Put a valuator together, on the CPU.

    Raises:
        KeyError, ValueError: an array is missing, is one too many, or has the wrong shape.
    """
    names = ("hidden_dim", "comb_dim", "layer_number", "seed")
    dvrl = DVRL(
        encoder,
        described["predictor"],
        metric=described["metric"],
        activation=described["activation"],
        **{name: sizes[name] for name in names},
    )
    dvrl.own_encoder = described["own_encoder"]
    dvrl.num_classes, dvrl.best_step = sizes["num_classes"], sizes["best_step"]
    dvrl.sample_shape = described["sample_shape"]
    with torch.device("meta"):  # shapes alone: nothing is allocated before the arrays are known to fit
        dvrl.estimator = dvrl.make_estimator(sizes["features"])
    state = dvrl.estimator.state_dict()
    shapes = {f"estimator.{name}": list(tensor.shape) for name, tensor in state.items()}
    coefficients = [sizes["features"] + 1, dvrl.num_classes]
    shapes |= {"validation_model": coefficients, "predictor": coefficients, "range": [2]}
    shapes["data_values"] = list(tensors["data_values"].shape[:1])
    if not dvrl.own_encoder:
        pixels = int(np.prod(dvrl.sample_shape))
        shapes |= {"encoder.mean": [pixels], "encoder.components": [sizes["features"], pixels]}
        shapes["encoder.explained_variance"] = [sizes["features"]]
    if shapes.keys() != tensors.keys():
        raise ValueError(f"its arrays are {', '.join(sorted(tensors))}")
    for name, tensor in tensors.items():
        if list(tensor.shape) != shapes[name] or tensor.dtype != torch.float32:
            raise ValueError(f"{name} is {tensor.dtype} {list(tensor.shape)}, not float32 {shapes[name]}")
        if not torch.isfinite(tensor).all():
            raise ValueError(f"{name} has numbers that are not finite")
    dvrl.estimator.load_state_dict({name: tensors[f"estimator.{name}"] for name in state}, assign=True)
    dvrl.validation_model, dvrl.predictor_ = (dvrl.new_predictor() for _ in range(2))
    dvrl.validation_model.coefficients, dvrl.predictor_.coefficients = tensors["validation_model"], tensors["predictor"]
    dvrl.lowest, dvrl.highest = tensors["range"]
    dvrl.data_values = tensors["data_values"].numpy()
    if not dvrl.own_encoder:
        dvrl.encoder = make_pipeline(FunctionTransformer(flatten), restored_pca(tensors, dvrl.seed))
    return dvrl


def restored_pca(tensors: dict[str, torch.Tensor], seed: int) -> PCA:
    """Make a fitted PCA of its three arrays."""
    pca = PCA(len(tensors["encoder.components"]), whiten=True, random_state=seed)
    for name in ("mean", "components", "explained_variance"):
        setattr(pca, f"{name}_", tensors[f"encoder.{name}"].numpy())
    pca.n_components_, pca.n_features_in_ = pca.components_.shape
    return pca


def move(dvrl: DVRL, device: str) -> DVRL:
    """Put what computes onto a device."""
    dvrl.device = device
    dvrl.estimator.to(device)
    for predictor in (dvrl.validation_model, dvrl.predictor_):
        predictor.coefficients = predictor.coefficients.to(device)
    dvrl.lowest, dvrl.highest = dvrl.lowest.to(device), dvrl.highest.to(device)
    return dvrl
