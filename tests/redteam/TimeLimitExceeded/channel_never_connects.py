# ATTACK [channel]: never connects, and keeps the notebook alive
# STOPPED BY: waiting for the notebook has the same deadline
import time

time.sleep(100_000)
