# shellcheck shell=bash
# One step of `authlab walk`: restores what the steps before it left, runs the command in WALK_STEP, and keeps what that leaves behind.
# Variables are kept in a file between steps, so that a walk-through can be left and resumed.

# shellcheck source=scripts/begin.sh
. "$(dirname "${BASH_SOURCE[0]}")/begin.sh"

WALK_KNOWN="$(compgen -v)"
# shellcheck source=/dev/null
[[ ! -e .remembered ]] || . ./.remembered

# Only the step's own kubectl and curl, not those of begin.sh, leave records of their requests.
PATH="$WALK_PROGRAMS:$PATH"
eval "$WALK_STEP"

{
    declare -p KUBECONFIG TEMPORARY
    for WALK_NAME in $(compgen -v | grep -vxF "$WALK_KNOWN" | grep -vE '^(BASH_|FUNCNAME$|WALK_)'); do
        declare -p "$WALK_NAME"
    done
} >.remembering
mv .remembering .remembered
