from .gathering import ADVICE as ADVICE
from .gathering import make_report as make_report
from .gathering import symptoms_of as symptoms_of
from .leaderboard import leaderboard_page as leaderboard_page
from .notebook_output import notebook_output as notebook_output
from .run_report import report_page as report_page
