# ATTACK [channel]: never connects, and keeps the notebook alive
# STOPPED BY: the participant's clock runs from the solution cell's start
import time

time.sleep(100_000)
