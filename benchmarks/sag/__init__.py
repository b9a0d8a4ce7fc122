"""S-aware gating's experiment: a stream of images comes in, how well the gate held what was wanted goes out.

Paper: Luijkx et al., ASkDAgger (arXiv 2508.05310). Original: the authors' public repository "ASkDAgger MNIST".

Its modules, from the network to the figures:

    novice      a LeNet with dropout, how sure it is, and how it learns
    gate        the reference's threshold, and what is left of it in the ablations
    stream      one stream, and all that happened in it
    figures     what a stream reached, over all of it and lately
    kept        a stream as a file, from which a stopped experiment goes on
    experiment  all streams, several at once
    report      the results that are stored, and their table
    drawing     the authors' three figures
"""
