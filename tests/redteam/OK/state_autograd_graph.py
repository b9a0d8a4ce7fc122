# ATTACK [state]: walks the losses' autograd graph to the weights, from there to the models, and trains them itself
# STOPPED BY: losses arrive as copied numbers, without a graph
# WORKS AGAINST: one process
import gc

import torch
from torch.nn import functional


def learn(models, steps=4):
    for model in models:
        optimizer = torch.optim.AdamW(model.parameters(), lr=0.005)
        for _ in range(steps):
            for images, labels in val_loader:
                with torch.enable_grad():
                    optimizer.zero_grad()
                    weights = 1 / torch.bincount(labels, minlength=2)
                    functional.cross_entropy(model(images), labels, weight=weights).backward()
                    optimizer.step()


def weights_behind(node):
    found, open_nodes, seen = [], [node], set()
    while open_nodes:
        node = open_nodes.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        if hasattr(node, "variable"):
            found.append(node.variable)
        open_nodes += [following for following, _ in node.next_functions]
    return found


def your_select_indices(targets, losses):
    for loss in losses:
        weights = {id(weight) for weight in weights_behind(loss.grad_fn)}
        for owner in gc.get_objects() if weights else []:
            if isinstance(owner, torch.nn.Module) and {id(each) for each in owner.parameters()} == weights:
                learn([owner])
    return [[], []]
