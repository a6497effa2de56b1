# shellcheck shell=bash
# One step of `authlab walk`: what steps before it remembered, the command in WALK_STEP, and what that leaves behind.
# Variables are kept in a file between steps, so that a walk-through can be left and gone on with.

# shellcheck source=scripts/begin.sh
. "$(dirname "${BASH_SOURCE[0]}")/begin.sh"

WALK_KNOWN="$(compgen -v)"
# shellcheck source=/dev/null
[[ ! -e .remembered ]] || . ./.remembered

eval "$WALK_STEP"

{
    declare -p KUBECONFIG TEMPORARY
    for WALK_NAME in $(compgen -v | grep -vxF "$WALK_KNOWN" | grep -vE '^(BASH_|FUNCNAME$|WALK_)'); do
        declare -p "$WALK_NAME"
    done
} >.remembering
mv .remembering .remembered
