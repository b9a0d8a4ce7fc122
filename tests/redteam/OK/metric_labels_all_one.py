# ATTACK [metric]: makes every data set say that all labels are 1, those that are opened later too
# STOPPED BY: the grader's data sets are objects of its own process, and compared with checksums
# WORKS AGAINST: one process
data_set = type(train_loader.dataset)


def only_ones(self, index):
    return self.images[index], 1


data_set.__getitem__ = only_ones
train_loader.dataset.targets.fill_(1)
train_loader.dataset.images.zero_()


def your_select_indices(targets, losses):
    return [list(range(len(targets)))] * 2
