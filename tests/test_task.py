"""The task itself: network, metric, selections, loop."""

import ast
import io
import random
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from benchmarks.training_loop import naive_losses, task_losses
from competition.build import build_data
from competition.names import locked_names, undefined_names
from competition.notebook import locked_cells
from competition.pool import fashion_pool
from competition.profiles import NOISE, Profile
from competition.task import constants
from competition.task.baseline import default_select_indices
from competition.task.constants import NUM_EPOCHS
from competition.task.errors import NotebookError
from competition.task.metric import Accuracy, predict_and_compare, predict_and_evaluate
from competition.task.model import SmallMobileNet
from competition.task.points import performance
from competition.task.position import position
from competition.task.reproducibility import isolated_random_state, seed_everything
from competition.task.selection import PresentationError, call_select_indices, may_be_a_mask, normalise_selection
from competition.task.training import train, train_two_models

IN_THE_STYLE_OF_THE_TASKS_SOLUTIONS = """
SHARE = 0.5
criterion = nn.L1Loss(reduction="none").to(DEVICE)


def smallest(values: torch.Tensor, members: np.ndarray, at_most: Optional[int] = None) -> List[int]:
    by_size = np.argsort(values.cpu().numpy()[members], kind="stable")
    return members[by_size][:at_most].tolist()


def your_select_indices(targets: torch.Tensor, losses: List[torch.Tensor]) -> Tuple[torch.Tensor, torch.Tensor]:
    chosen = []
    for peer in (1, 0):
        moved = losses[peer].to(DEVICE)
        size, indices = criterion(moved, torch.zeros_like(moved)), []
        for label in range(NUM_CLASSES):
            members = np.flatnonzero(targets.cpu().numpy() == label)
            indices += smallest(size, members, int(SHARE * len(members)))
        chosen.append(torch.tensor(indices, dtype=torch.long, device=DEVICE))
    return chosen[0], chosen[1]
"""


class FixedAnswers(nn.Module):
    """Answers with the class that stands in the input."""

    def __init__(self):
        super().__init__()
        self.unused = nn.Parameter(torch.zeros(1))

    def forward(self, inputs):
        """Return logits [B, 2]."""
        return F.one_hot(inputs.flatten().long(), 2).float()


def small_loader(images=256):
    generator = torch.Generator().manual_seed(1)
    inputs = torch.rand(images, 1, 14, 14, generator=generator)
    targets = torch.arange(images) % 2
    return DataLoader(TensorDataset(inputs, targets), batch_size=128)


def test_small_mobile_net_has_the_tasks_layers():
    """The network has 79,874 parameters, no bias in a convolution, and BatchNorm behind every one."""
    model = SmallMobileNet()
    assert sum(parameter.numel() for parameter in model.parameters()) == 79_874
    convolutions = [module for module in model.modules() if isinstance(module, nn.Conv2d)]
    assert [(c.in_channels, c.out_channels, c.kernel_size[0], c.stride[0], c.groups) for c in convolutions] == [
        (1, 32, 3, 1, 1),
        (32, 32, 3, 1, 32),
        (32, 64, 1, 1, 1),
        (64, 64, 3, 2, 64),
        (64, 128, 1, 1, 1),
        (128, 128, 3, 2, 128),
        (128, 256, 1, 1, 1),
    ]
    assert all(convolution.bias is None for convolution in convolutions)
    assert sum(isinstance(module, nn.BatchNorm2d) for module in model.modules()) == len(convolutions)


@pytest.mark.parametrize("side", [20, 28, 33])
def test_any_image_size_is_accepted(side):
    """Images of any side give one row of logits each."""
    assert SmallMobileNet()(torch.rand(2, 1, side, side)).shape == (2, 2)


@pytest.mark.parametrize(("bac", "points"), [(0.0, 0), (0.5, 0), (0.65, 50), (0.7999, 100), (0.797, 99), (1.0, 100)])
def test_points_are_linear_between_one_half_and_four_fifths(bac, points):
    """0 points up to a BAC of 0.5, 100 from 0.8 on, linear between, rounded."""
    assert performance(bac) == points


def test_balanced_accuracy_ignores_the_class_counts():
    """A model that always answers 1 gets 0.5 however rare class 0 is, and keeps its training mode."""
    loader = DataLoader(TensorDataset(torch.ones(10, 1), torch.tensor([0] + [1] * 9)), batch_size=4)
    model = FixedAnswers().train()
    assert predict_and_evaluate(model, loader) == 0.5
    assert model.training


def test_recalls_are_those_counted_by_hand():
    """Of four samples of class 0 one is recognised, of two of class 1 both."""
    answers, labels = torch.tensor([[0], [1], [1], [1], [1], [1]]), torch.tensor([0, 0, 0, 0, 1, 1])
    loader = DataLoader(TensorDataset(answers, labels), batch_size=4)
    assert predict_and_compare(FixedAnswers(), loader) == Accuracy(bac=0.625, recall=(0.25, 1.0))


@pytest.mark.parametrize(
    ("returned", "expected"),
    [
        ([[0, 3], [1]], [[0, 3], [1]]),
        ((torch.tensor([2, 2]), np.array([0], dtype=np.uint8)), [[2, 2], [0]]),
        ([np.array([True, False, False, True]), torch.tensor([False] * 4)], [[0, 3], []]),
        ([torch.tensor([0, 1, 1, 0]).byte(), np.array([0, 0, 0, 2], dtype=np.uint8)], [[1, 2], [3]]),
        ([[], torch.empty(0)], [[], []]),
        (torch.tensor([[0, 1], [2, 3]]), [[0, 1], [2, 3]]),
        ([range(2), [np.int32(1), np.int64(2)]], [[0, 1], [1, 2]]),
        ([torch.tensor([1], requires_grad=False).int(), [3] * 16], [[1], [3] * 16]),
    ],
)
def test_every_documented_kind_of_selection_is_accepted(returned, expected):
    """Lists, arrays, tensors, ranges, masks and anything empty become int64 index tensors."""
    selection = normalise_selection(returned, 4)
    assert [indices.tolist() for indices in selection] == expected
    assert all(indices.dtype == torch.int64 for indices in selection)


@pytest.mark.parametrize(
    ("returned", "words"),
    [
        (None, "returned None; expected two selections: [indices for model 1, indices for model 2]; is its return"),
        (5, "returned a int"),
        ([[0]], "returned a list of 1; expected two selections"),
        (([0], [1], [2]), "returned a tuple of 3; expected two selections"),
        ({"model 1": [0], "model 2": [1]}, "returned a dict; expected two selections"),
        ({(0,), (1,)}, "returned a set; expected two selections"),
        ("ab", "returned a str; expected two selections"),
        ([[4], [0]], "model 1 holds the index 4; expected a 1-D list, array or tensor of integers from 0 to 3, or a"),
        ([[1999], [0]], "an index is a place in the batch, not in the data set"),
        ([[0], [-1]], "model 2 holds the index -1"),
        ([[0.0], [1]], "values of type float64"),
        ([torch.tensor([[0]]), [1]], "shape (1, 1)"),
        ([[True, False], [1]], "boolean mask of length 2"),
        ([[0] * 17, [1]], "17 indices"),
        ([[0, "a"], [1]], "model 1 has values of type"),
        ([[[0], [1, 2]], [1]], "model 1 is a list"),
        ([0, 1], "model 1 is a int"),
        ([{0, 1}, [1]], "model 1 is a set"),
        ([[2**70], [1]], "model 1 has values of type object"),
    ],
)
def test_every_other_selection_is_refused_with_what_it_was_and_what_was_expected(returned, words):
    """A PresentationError says which model's selection was wrong, what it was, and what is expected."""
    with pytest.raises(PresentationError) as error:
        normalise_selection(returned, 4)
    assert words in str(error.value)
    assert "expected" in str(error.value) or "at most" in str(error.value)


def test_a_notebook_shows_a_refusal_without_a_traceback():
    """What a notebook prints of a refused selection is its sentence alone."""
    with pytest.raises(NotebookError, match="index 4") as error:
        normalise_selection([[4], [0]], 4)
    assert [line[len("\x1b[1;31m") : -len("\x1b[0m")] for line in error.value._render_traceback_()] == [
        str(error.value)
    ]


@pytest.mark.parametrize(
    ("selection", "doubtful"),
    [
        ([0, 1, 1, 0], True),
        (torch.tensor([0, 1, 1, 0]), True),
        (np.zeros(4, dtype=np.int32), True),
        ([1, 1, 1, 1], True),
        ([0, 1, 2, 3], False),
        ([0, 1, 1], False),
        ([0, 1, 1, 0, 0], False),
        ([False, True, True, False], False),
        (torch.tensor([0, 1, 1, 0], dtype=torch.uint8), False),  # taken as a mask
        ([0.0, 1.0, 1.0, 0.0], False),
        ([[0, 1], [1, 0]], False),
        ([[0], [1, 1]], False),
        (torch.tensor([0, 1, 1, 0], device="meta"), False),
        (None, False),
    ],
)
def test_integers_that_look_like_a_mask_are_noticed(selection, doubtful):
    """As many integers as the batch has samples, all of them 0 or 1, may be meant as a mask; nothing else is."""
    assert may_be_a_mask(selection, 4) is doubtful


@pytest.mark.parametrize("batch_size", [1, 2])
def test_in_a_tiny_batch_zeros_and_ones_are_indices(batch_size):
    """In a batch of one or two samples 0 and 1 are its only indices, so nobody is asked whether they are a mask."""
    assert not may_be_a_mask(list(range(batch_size)), batch_size)


def test_the_locked_cells_define_what_the_original_tasks_did():
    """A solution may use the names of the original notebook's imports, paths and constants without defining them."""
    names = {"os", "np", "pd", "plt", "Image", "torch", "nn", "AdamW", "DataLoader", "transforms", "VisionDataset"}
    names |= {"balanced_accuracy_score", "tqdm", "Optional", "Tuple", "List", "DEVICE", "train_loader", "val_loader"}
    names |= {"ROOT_DIR", "TRAIN_DATASET_PATH", "VAL_DATASET_PATH", "position"}
    names |= {name for name in vars(constants) if name.isupper()}
    assert "NUM_EPOCHS" in names
    assert names <= locked_names()


def test_a_solution_in_the_style_of_the_tasks_own_runs_over_the_names_of_the_first_cells(monkeypatch):
    """With annotations out of `typing`, DEVICE, np and nn, and no import of its own, it selects what it should."""
    assert undefined_names(ast.parse(IN_THE_STYLE_OF_THE_TASKS_SOLUTIONS)) == []
    monkeypatch.setenv("GOMP_SPINCOUNT", "3000")  # the first cell sets it
    notebook = {}
    for name in ("libraries", "constants", "randomness"):
        exec(locked_cells()[name], notebook)
    exec(IN_THE_STYLE_OF_THE_TASKS_SOLUTIONS, notebook)
    targets, losses = torch.tensor([0, 0, 1, 1]), [torch.tensor([1.0, 2.0, 3.0, 4.0]), torch.tensor([4.0, 3, 2, 1])]
    selections = call_select_indices(notebook["your_select_indices"], targets, losses, seed=0, call=0, samples=4)
    assert [selection.tolist() for selection in selections] == [[1, 3], [0, 2]]


def test_a_call_leaves_no_trace_in_the_trainings_random_state():
    """Whatever the function draws or switches, the generators and flags around it stay as they were."""

    def wild(targets, losses):
        random.random()
        np.random.seed(0)
        torch.rand(100)
        torch.manual_seed(9)
        torch.set_grad_enabled(False)
        torch.set_default_dtype(torch.float64)
        torch.set_num_threads(1)
        torch.use_deterministic_algorithms(False)
        targets.zero_()
        losses[0].fill_(7)
        return [[0], [0]]

    seed_everything(5)
    expected = random.random(), np.random.random(), torch.rand(1).item()
    seed_everything(5)
    targets, losses = torch.ones(3, dtype=torch.int64), [torch.ones(3), torch.ones(3)]
    call_select_indices(wild, targets, losses, seed=1, call=0, samples=3)
    assert (random.random(), np.random.random(), torch.rand(1).item()) == expected
    assert torch.is_grad_enabled()
    assert torch.get_default_dtype() == torch.float32
    assert torch.get_num_threads() == 2
    assert torch.are_deterministic_algorithms_enabled()
    assert targets.tolist() == [1, 1, 1]
    assert losses[0].tolist() == [1, 1, 1]


def test_random_numbers_depend_on_the_seed_and_on_the_call_alone():
    """The same (seed, call) gives the same draws whatever came before; another seed or call gives others."""

    def draws(seed, call):
        torch.rand(random.randrange(50))
        with isolated_random_state(seed, call):
            return random.random(), np.random.random(), torch.rand(1).item()

    assert draws(1, 2) == draws(1, 2)
    assert len({draws(1, 2), draws(1, 3), draws(2, 2)}) == 3


def test_an_empty_selection_skips_the_models_step():
    """A model whose selections are all empty keeps its weights and has no training loss; the other one learns."""
    loader = small_loader()
    seed_everything(0, threads=1)
    models = [SmallMobileNet(), SmallMobileNet()]
    before = [[parameter.clone() for parameter in model.parameters()] for model in models]
    history = train(models, loader, loader, lambda targets, losses: [[], [0, 1, 2]], progress=None)
    same = [
        all(torch.equal(a, b) for a, b in zip(old, model.parameters(), strict=True))
        for old, model in zip(before, models, strict=True)
    ]
    assert same == [True, False]
    assert len(history) == NUM_EPOCHS
    assert all(epoch.train_loss[0] is None and epoch.train_loss[1] > 0 for epoch in history)


def test_an_epoch_counts_the_different_samples_of_each_class_that_were_learned_from():
    """Each batch is labelled 0, 1, 0, 1, ...: a repeated sample counts once, and an empty selection nothing."""
    loader = small_loader(300)
    models = [SmallMobileNet(), SmallMobileNet()]

    def select(targets, losses):
        return [[2, 0, 0, 1, 2, 4], [] if position().batch == 1 else np.array([3, 3, 5])]

    history = train(models, loader, loader, select, epochs=2, progress=None)
    assert [epoch.kept for epoch in history] == [((9, 3), (0, 4))] * 2


def test_an_epoch_is_alike_where_both_models_got_the_same_in_every_batch():
    """One batch with different selections is enough for an epoch that is not; the next one is judged by itself."""
    loader = small_loader()
    models = [SmallMobileNet(), SmallMobileNet()]

    def select(targets, losses):
        return [[0, 1], [0, 2] if position().call == 2 else torch.tensor([0, 1])]

    history = train(models, loader, loader, select, epochs=3, progress=None)
    assert [epoch.alike for epoch in history] == [True, False, True]


def test_the_balanced_accuracy_of_an_epoch_is_the_mean_of_its_recalls():
    """Each model's BAC after an epoch is the mean of the recalls beside it, and both are those of the model."""
    train_loader, val_loader = small_loader(), small_loader(90)
    models, history = train_two_models(
        train_loader, val_loader, default_select_indices, threads=1, epochs=2, progress=None
    )
    for epoch in history:
        for bac, recall in zip(epoch.val_bac, epoch.val_recall, strict=True):
            assert bac == pytest.approx(sum(recall) / 2)
    assert [predict_and_compare(model, val_loader).recall for model in models] == list(history[-1].val_recall)


def test_a_bar_is_drawn_where_progress_is_a_stream():
    """On the stream stands each epoch's number, and at its end the BAC of both models."""
    loader, stream = small_loader(), io.StringIO()
    models = [SmallMobileNet(), SmallMobileNet()]
    history = train(models, loader, loader, default_select_indices, epochs=2, progress=stream)
    for number, epoch in enumerate(history, 1):
        assert f"epoch {number}/2" in stream.getvalue()
        assert "val BAC {:.3f} and {:.3f}".format(*epoch.val_bac) in stream.getvalue()


def test_repeated_indices_weigh_a_sample():
    """Selecting a sample twice gives it twice the weight of one that is selected once."""
    inputs, targets = torch.rand(4, 1, 28, 28), torch.tensor([0, 1, 0, 1])
    model = SmallMobileNet().eval()
    with torch.no_grad():
        each = F.cross_entropy(model(inputs), targets, reduction="none")
        repeated = F.cross_entropy(model(inputs[[0, 0, 1]]), targets[[0, 0, 1]])
    torch.testing.assert_close(repeated, (2 * each[0] + each[1]) / 3)


def test_two_trainings_in_one_process_give_the_same_bits():
    """`train_two_models` depends on its arguments alone, not on what ran before."""
    loader = small_loader()

    def history(seed):
        return train_two_models(loader, loader, default_select_indices, seed=seed, threads=1, progress=None)[1]

    first = history(3)
    torch.rand(17)
    second = history(3)
    other = history(4)
    assert first == second != other


def test_the_loop_computes_what_a_naive_one_does(tmp_path):
    """In float64, where rounding cannot grow, our loop's losses are those of the same layers in a plain loop."""
    pool = fashion_pool()
    small = replace(pool, images=pool.images[:, ::2, ::2])
    build_data(small, Profile("tiny", 384, 16, 16, 16), NOISE, 1, tmp_path / "data")
    root = tmp_path / "data" / "public"
    naive, task = (losses(root, torch.float64, 1, 6) for losses in (naive_losses, task_losses))
    assert len(naive) == 6
    assert naive[0] != naive[-1]
    torch.testing.assert_close(task, naive, rtol=1e-6, atol=0)


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU")
def test_a_cuda_training_repeats_itself():
    """On a GPU the same training gives the same history twice."""
    loader, device = small_loader(), torch.device("cuda")
    runs = [train_two_models(loader, loader, default_select_indices, device=device, progress=None) for _ in range(2)]
    assert runs[0][1] == runs[1][1]
