#!/usr/bin/env bash
# Measure both arms into FOLDER, and say in GITHUB_OUTPUT and GITHUB_STEP_SUMMARY what it came to. What action.yml calls
# an input is a variable here. Ends with 0 where nothing failed, 1 where anything regressed, 2 where nothing could be
# decided and --strict was asked for, 3 where nothing was judged that should have been.
set -euo pipefail

most_bytes=1000000 # GitHub shows 1 MiB, and drops all of a longer one

if [[ $SCREEN != true && $SCREEN != false ]]; then
  echo "modellab: the input 'screen' is true or false, not '$SCREEN'" >&2
  exit 3
fi
export MODELLAB_SCREENING="$SCREEN"
unset MODELLAB_CACHE_DIR # what action.yml brings back lies at the default place, outside of the checkout

read -r -a words <<< "$OPTIONS"
options=("--base=$BASE" "--output=$FOLDER")
[[ -z $ALPHA ]] || options+=("--alpha=$ALPHA")
[[ -z $ONLY ]] || options+=("--only=$ONLY")
[[ $SCREEN != true ]] || options+=("--screen")

mkdir -p "$FOLDER"
before="$(mktemp)"
code=0
modellab --fixtures "$FIXTURES" gate "${options[@]}" "${words[@]}" -- "--junitxml=$FOLDER/junit.xml" || code=$?

# What an earlier run left here is no verdict of this one, and neither is an exit status without a verdict.
verdicts="$(find "$FOLDER" -mindepth 2 -maxdepth 2 -name verdicts.json -newer "$before" -print -quit)"
rm -f "$before"
decision=error
if [[ -n $verdicts ]]; then
  decision="$(python -c '
import sys
from pathlib import Path

from modellab.gating.dossier import read_verdicts

print(read_verdicts(Path(sys.argv[1])).decision)
' "$verdicts")" || decision=error
fi
case "$decision:$code" in
  pass:0 | informs:0 | inconclusive:0 | inconclusive:2 | regressed:1 | error:*) ;;
  *)
    echo "modellab: the verdicts say '$decision', but the gate ended with $code" >&2
    decision=error
    ;;
esac

summary=""
if [[ -n $verdicts && -f "${verdicts%/*}/summary.md" ]]; then
  summary="${verdicts%/*}/summary.md"
  head -c "$most_bytes" "$summary" >> "$GITHUB_STEP_SUMMARY"
else
  printf '## Model Lab gate\n\nNothing was judged: the log says why.\n' >> "$GITHUB_STEP_SUMMARY"
  echo "::error title=Model Lab gate::Nothing was judged: the log says why."
fi
if [[ $SCREEN == true && $decision == regressed ]]; then
  printf '\nThis is a suspicion: a job that measures anew has to confirm it.\n' >> "$GITHUB_STEP_SUMMARY"
fi
{
  echo "decision=$decision"
  echo "verdicts=$verdicts"
  echo "summary=$summary"
  echo "folder=$FOLDER"
} >> "$GITHUB_OUTPUT"

case "$decision" in
  pass | informs) exit 0 ;;
  inconclusive) exit "$code" ;;
  regressed) [[ $SCREEN == true ]] || exit 1 ;;
  *) exit 3 ;;
esac
