# shellcheck shell=bash
# The start of every walk-through: a directory and a kubeconfig of its own, and the functions that it uses.
# Each block of the walk-through is shown and then run, so that commands and their output stand together.
# The kubeconfig in KUBECONFIG is read, and never written.
#
# Several walk-throughs can run in one lab: each has its own namespace and its own WALK_ID, eight characters that are
# part of the name of every object without a namespace.
#
# Format of a walk-through: blank lines separate blocks. The lines at the start of a block that begin with # are prose,
# the rest is one command. The first block, which loads this file, is not shown.
#
#   needs TOOL 'STEP'         a required tool, and the step that needs it
#   temporary KIND/NAME…      an object without a namespace, which is deleted at the end
#   refused 'TEXT' COMMAND…   a command that must be refused, with TEXT in its output

set -euo pipefail

# Ends the walk-through with a message.
surprise() {
    printf '\nstopped: %s\n' "$1" >&2
    WALK_TOLD=yes
    exit "${2:-1}"
}

needs() {
    command -v "$1" >/dev/null || surprise "$1 is not installed; it is needed to $2" 2
}

refused() {
    local text="$1" said status=0
    shift
    said="$("$@" 2>&1)" || status=$?
    printf '%s\n' "$said"
    [[ $status -ne 0 ]] || surprise "this command should have been refused"
    [[ $said == *"$text"* ]] || surprise "this command was refused, but not with: $text"
}

temporary() {
    TEMPORARY+=("$@")
}

# Runs kubectl as the lab's administrator, whatever the walk-through's own kubeconfig contains.
administrator() {
    kubectl --kubeconfig="$ADMINISTRATOR" "$@" >/dev/null
}

# Waits until `kubectl auth can-i` says yes to these arguments.
until_allowed() {
    local _
    for _ in {1..300}; do
        administrator auth can-i "$@" && return
    done
    surprise "the API server does not apply a right that was granted"
}

# Deletes everything that was created, in the cluster and on disk. A namespace ends some seconds after its deletion, which need
# not be waited for.
leave() {
    local status=$?
    [[ $status -eq 0 || -n ${WALK_TOLD-} ]] || printf '\nstopped: this command should not have failed\n' >&2
    cd /
    administrator delete --ignore-not-found --wait=false "namespace/$NAMESPACE" "${TEMPORARY[@]}" || true
    rm -rf "$WALK_DIRECTORY"
}

[[ -n ${LAB_API_SERVER-} && -n ${KUBECONFIG-} ]] ||
    surprise "no lab found: start one with \`authlab up\`, and run this in \`authlab shell\`" 2
[[ ${AUTHLAB_PERSON-} == administrator ]] ||
    surprise "run this as the lab's administrator: \`authlab shell\` without a name" 2
needs kubectl "send requests to the API server"

[[ -n ${WALK_STEP-} ]] || exec 3<"$0"
# A lab is on this machine, so no proxy is used for it.
export NO_PROXY="127.0.0.1,localhost${NO_PROXY:+,$NO_PROXY}"
export no_proxy="$NO_PROXY"
WALK_ID="${WALK_ID:-$(od -An -N4 -tx1 /dev/urandom | tr -d ' \n')}"
NAMESPACE="walk-$WALK_ID"
TEMPORARY=("clusterrolebinding/demo-rbac-admin-$WALK_ID")
ADMINISTRATOR="$KUBECONFIG"
umask 077
# `authlab walk` has a directory of its own, which it keeps to resume later.
if [[ -z ${WALK_STEP-} ]]; then
    WALK_DIRECTORY="$(mktemp -d)"
    trap leave EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM
fi
cd "$WALK_DIRECTORY"
export KUBECONFIG="$WALK_DIRECTORY/config.yaml"

# The article's kubeconfig: a cluster demo-rbac, and its administrator with a token.
if [[ ! -e $KUBECONFIG ]]; then
    administrator apply -f - <<YAML
apiVersion: v1
kind: Namespace
metadata: { name: $NAMESPACE }
---
apiVersion: v1
kind: ServiceAccount
metadata: { name: demo-rbac-admin, namespace: $NAMESPACE }
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: { name: demo-rbac-admin-$WALK_ID }
roleRef: { apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cluster-admin }
subjects: [{ kind: ServiceAccount, name: demo-rbac-admin, namespace: $NAMESPACE }]
YAML
    # The API server applies a new right a moment later.
    until_allowed --as="system:serviceaccount:$NAMESPACE:demo-rbac-admin" '*' '*'
    WALK_TOKEN="$(kubectl --kubeconfig="$ADMINISTRATOR" --namespace="$NAMESPACE" create token demo-rbac-admin --duration=8h)"
    # Every user of the machine can read the arguments of a command, so the token is not one.
    cat >"$KUBECONFIG" <<YAML
apiVersion: v1
kind: Config
users: [{ name: demo-rbac-admin-token, user: { token: $WALK_TOKEN } }]
YAML
    unset WALK_TOKEN
    {
        kubectl config set-cluster demo-rbac --server="$LAB_API_SERVER" \
            --certificate-authority="$LAB_API_SERVER_AUTHORITY" --embed-certs
        kubectl config set-context demo-rbac --cluster=demo-rbac --user=demo-rbac-admin-token --namespace="$NAMESPACE"
        kubectl config use-context demo-rbac
    } >/dev/null
fi

# `authlab walk` shows the blocks itself.
[[ -z ${WALK_STEP-} ]] || return 0

# Shows the block that runs next, on standard error like a shell's own `set -v`.
show() {
    local line mark='$ ' prose="$WALK_PROSE" command="$WALK_COMMAND"
    printf '\n%s' "$prose" >&2
    while IFS= read -r line && [[ -n $command ]]; do
        printf '%s%s\n' "$mark" "$line" >&2
        mark='> '
    done <<<"${command%$'\n'}"
}

WALK_PROSE=""
WALK_COMMAND=""
WALK_BEGUN=""
while IFS= read -r WALK_LINE <&3 || [[ -n $WALK_LINE ]] || [[ -n $WALK_PROSE$WALK_COMMAND ]]; do
    if [[ -n $WALK_LINE && -z $WALK_COMMAND && $WALK_LINE == '#'* ]]; then
        WALK_PROSE+="$WALK_LINE"$'\n'
    elif [[ -n $WALK_LINE ]]; then
        WALK_COMMAND+="$WALK_LINE"$'\n'
    else
        if [[ -n $WALK_BEGUN ]]; then
            show
            eval "$WALK_COMMAND" 3<&-
        fi
        WALK_BEGUN=yes WALK_PROSE="" WALK_COMMAND=""
    fi
done
[[ -z $WALK_BEGUN ]] || exit 0
