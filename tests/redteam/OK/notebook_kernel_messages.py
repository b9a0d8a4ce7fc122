# ATTACK [notebook]: forges messages of the kernel: status, replies, errors and cleared outputs for papermill to believe
# STOPPED BY: papermill believes what it likes; the grader listens to the socket alone
kernel = get_ipython().kernel
for kind, content in (
    ("execute_reply", {"status": "ok", "execution_count": 999}),
    ("error", {"ename": "Reached", "evalue": "", "traceback": []}),
    ("status", {"execution_state": "idle"}),
    ("status", {"execution_state": "dead"}),
    ("clear_output", {"wait": False}),
    ("update_display_data", {"data": {}, "metadata": {}, "transient": {"display_id": "x"}}),
):
    kernel.session.send(kernel.iopub_socket, kind, content, parent=kernel.get_parent("shell"))
kernel.execution_count = -1


def your_select_indices(targets, losses):
    return [list(range(len(targets)))] * 2
