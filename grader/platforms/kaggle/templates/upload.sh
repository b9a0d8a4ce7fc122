#!/usr/bin/env bash
# Uploads everything but the launch. Needs Kaggle's own client (pip install kaggle) and its API token. Read CHECKLIST.md first.
set -euo pipefail
cd "$(dirname "$0")"

page() { # a standard page may be there already
  kaggle competitions pages update $slug --page-name "$1" -f "competition/pages/$1.md" --mime-type text/markdown --publish ||
    kaggle competitions pages create $slug --page-name "$1" -f "competition/pages/$1.md" --mime-type text/markdown --publish
}

kaggle competitions create -p competition
kaggle competitions settings update $slug -f competition/settings.json
page description
page rules
page evaluation
page data-description
kaggle competitions data update $slug -p data -m "first version"
kaggle datasets create -p metric-data
kaggle kernels push -p metric --no-run
kaggle competitions solution create $slug -p private/solution.csv
kaggle competitions solution status $slug
kaggle kernels push -p starter --no-run

echo
echo "Uploaded. Nothing is launched: finish CHECKLIST.md in the browser, submit data/sample_submission.csv once, and then:"
echo "  kaggle competitions launch $slug"
