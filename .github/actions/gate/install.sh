#!/usr/bin/env bash
# Install what INSTALL names into an environment outside of the checkout, which stays as it was committed.
set -euo pipefail

read -r -a wanted <<< "$INSTALL"
if [[ ${#wanted[@]} -eq 0 ]]; then
  echo "modellab: nothing to install: the input 'install' is empty" >&2
  exit 2
fi
pins=()
if [[ -f constraints.txt ]]; then
  pins=(-c constraints.txt)
fi
python -m venv "$RUNNER_TEMP/modellab"
"$RUNNER_TEMP/modellab/bin/python" -m pip install --quiet --disable-pip-version-check "${pins[@]}" "${wanted[@]}"
echo "$RUNNER_TEMP/modellab/bin" >> "$GITHUB_PATH"
