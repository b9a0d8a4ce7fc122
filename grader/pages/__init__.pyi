from .advice import ADVICE as ADVICE
from .everybody import write_all_reports as write_all_reports
from .gathering import make_report as make_report
from .page import render_live as render_live
from .page import render_plain as render_plain
from .run_report import report_page as report_page
