"""DataRater for robustness: data that are spoilt in part come in, ratings of them and what they are worth go out.

Paper: Calian et al., DataRater: Meta-learned dataset curation (arXiv 2505.17895). Guide: the public repository
"DataRater for Robustness", whose parameters have the same names here.

Its modules, from the equations to the figures:

    parameters    every number of the meta-learning, and the guide's
    streams       a random stream for each kind of chance
    task          images, labels, and what is known of them
    attack        projected gradient descent
    meta          the meta-gradient and the meta-learner
    models        inner models and raters
    corruptions   how images and labels are spoilt
    sources       where images come from
    plugins       all of these by name, one's own too
    checkpoint    the state of a meta-learner in a file without code
    log           the outer loss as a CSV and a plot
    downstream    classifiers that learn from what a rater keeps
    experiment    one rater, one regime, one seed; and all of them
    report        tables and the plot
"""
