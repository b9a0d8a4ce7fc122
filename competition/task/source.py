"""Where a notebook without local data gets it from; organizers write their own values with ``build-notebook``."""

# LOCKED CELL [source]: edits here change nothing, the grader has the data already.
TRAIN_ID = "1qmNNmDv-wUcAv5mvO6vYJV3mQ2SNIGnI"  # Google Drive ids of train.zip and val.zip
VAL_ID = "1YUJYD12NmKRSzFJGMrX-a61d6mnTaWbG"
TRAIN_SHA256 = ""  # checksums of the two files; where empty, a download is used unchecked, with a notice
VAL_SHA256 = ""
