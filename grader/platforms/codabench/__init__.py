"""Codabench: a competition out of a contest, in two modes, and what grades there.

cli              the commands export codabench, codabench-daemon
document         the competition.yaml of a contest
moments          times as Codabench reads them right
schema           what Codabench takes as a competition.yaml
texts            the competition's pages
logo             its picture
checklist        what the organizer clicks
packing          files into a zip, the kit's sources as files
bundle           everything that is uploaded or installed
scores           what stands on the platform's board
make_submission  of the starting kit: zips a notebook
hand_over        worker mode, in the container: hands the notebook to the grader on the host
daemon           worker mode, on the host: that grader, behind a socket
caps             how much may be asked of it
places           bundle mode: where what is mounted, and how to grade
ingestion        bundle mode, first step: trains against the notebook
lists            bundle mode: the index lists, read as from a forger
scoring          bundle mode, second step: trains from the lists, scores
"""
