#!/usr/bin/env bash
# Uploads everything; launches nothing. Read CHECKLIST.md first.
set -euo pipefail
cd "$(dirname "$0")"

kaggle competitions create -p competition
kaggle competitions settings update wrong-labels-2026 -f competition/settings.json
python3 upload_pages.py
kaggle competitions data update wrong-labels-2026 -p data -m "first version"
kaggle datasets create -p metric-data
kaggle kernels push -p metric --no-run
kaggle competitions solution create wrong-labels-2026 -p private/solution.csv
kaggle competitions solution status wrong-labels-2026
kaggle kernels push -p starter --no-run

echo
echo "Uploaded. Nothing is launched: finish CHECKLIST.md in the browser, submit data/sample_submission.csv once, and then:"
echo "  kaggle competitions launch wrong-labels-2026"
