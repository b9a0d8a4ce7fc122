"""Where a notebook without local data gets it from, and how it knows it; the organizer's own values stand here."""

# LOCKED CELL [source]: where the data comes from; filled in by the organizers.
DRIVE_IDS = {"train": "", "val": ""}  # Google Drive ids of train.zip and val.zip; where empty, nothing is downloaded
ZIP_SHA256 = {"train": "", "val": ""}  # checksums of these two files
DATA_SHA256 = {"train": "", "val": ""}  # checksums of what is in them; where empty, any data is taken
