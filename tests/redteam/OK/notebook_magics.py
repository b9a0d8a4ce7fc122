# ATTACK [notebook]: uses magics and shell escapes to run programs, change the folder and the environment, write files
# STOPPED BY: they run in the sandbox like all other code of its own
%env HOME=/root
%cd /tmp
!cd / && cat etc/passwd root/* proc/1/environ; ls -la / /proc/1/root; mount; echo reached > /tmp/redteam-planted
found = !find / -name "train_truth.csv" -o -name "test_a" 2> /dev/null
if found:
    raise RuntimeError(f"REACHED {found}")
%cd /tmp/task


def your_select_indices(targets, losses):
    return [list(range(len(targets)))] * 2
