"""What holds on a GPU: the same bits, the sandbox, hostile cells, the references, the speed.

    python -m benchmarks.on_gpu [PART ...] [--out FOLDER] [--seconds N] [--dry-run]

Each part runs in a process of its own and has a time limit of its own, so that one which fails or hangs stops no other,
and what it found until then is kept; all together end after ``--seconds``. Stages follow each other; the parts of one
run side by side. Printed is one table; the folder gets ``on_gpu.json``, the measurements of the references, and what
each part printed. Another call on the same machine, into the same folder, renews its parts and keeps the others.
``--dry-run`` goes the same way on the CPU with the debug profile. The exit status is 1 where a part failed or something
does not hold.

    plan         what a part is told: device, profiles, how much of it; and what it gives back
    commands     commands of the kit in processes of their own, and why they failed
    gradings     gradings by the command line, several at once
    tests        the tests that need a GPU
    start        until a fresh process computes on the card
    data         the practice data of the other parts
    bits         the same bits twice, and at home as at the grader; how far CPU and GPU are apart
    sandbox      what a notebook sees of a GPU
    hostile      cells that attack the card
    references   all references, against their bands
    speed        where the time goes
    steps        what one step of a training launches, copies and waits for
    timeline     one grading, with the moment of each phase
"""
