"""The task, exactly once: the locked cells of the notebook are these modules' text below the marker line.

Each module has two parts. Above its marker line stand the docstring and the imports from its sisters, which a notebook
does not need because its cells share one namespace. The marker line and everything below it go into
``starter_notebook.ipynb`` verbatim. The grader imports the same modules, so there is no second implementation.
"""
