"""Active learning with a network that learns on: the images, the network, the ways to ask, and a person who answers.

The loop is `reference_solutions.uncertainty_sampling.ActiveLearner`; its estimator, its score and its teacher stand
here. The modules:

    images    Fashion-MNIST with the names of its classes, drawn into a start, a pool and held-out images
    network   a small convolutional network as an estimator that learns on with each fit
    ways      the ways to choose what is asked, and the controls: accuracy against queries
    peers     modAL and scikit-activeml behind one interface, for the comparison of queries
    screen    an image and the network's probabilities, in a terminal or in a notebook
    person    a person as the teacher: reads answers, keeps what was said
    drawing   the table and the plots
"""
