# ATTACK [process]: ignores every signal that can be ignored and never ends
# STOPPED BY: at the time limit the whole process namespace is killed from outside
import signal

for number in set(signal.Signals) - {signal.SIGKILL, signal.SIGSTOP}:
    signal.signal(number, signal.SIG_IGN)
while True:
    pass
