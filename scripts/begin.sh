# shellcheck shell=bash
# What every walk-through begins with: a directory and a kubeconfig of its own, and the words that it uses.
# Then each block of it is shown and carried out, so that what is read and what happens stand side by side.
# The kubeconfig that KUBECONFIG named is read, and never written.
#
# Several walk-throughs can be under way in one lab: each has a namespace of its own, and WALK_ID, eight characters that no
# other has. It goes into the name of every object that has no namespace.
#
# How a walk-through is written: blank lines stand between blocks. In a block, lines that begin with # and come
# first are prose, and the rest is one command. The first block, which begins, is not shown.
#
#   needs TOOL 'STEP'         what has to be installed, and for which step
#   temporary KIND/NAME…      an object without a namespace that is made; it goes at the end
#   refused 'TEXT' COMMAND…   a command that is meant to be refused, with TEXT in what is answered

set -euo pipefail

# Ends the walk-through, and says why.
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
    [[ $status -ne 0 ]] || surprise "this was meant to be refused, and was not"
    [[ $said == *"$text"* ]] || surprise "this was refused, but not with: $text"
}

temporary() {
    TEMPORARY+=("$@")
}

# kubectl of who may do everything, whatever the walk-through makes of its own kubeconfig.
administrator() {
    kubectl --kubeconfig="$ADMINISTRATOR" "$@" >/dev/null
}

# Waits until the API server allows what `kubectl auth can-i` is asked with these arguments.
until_allowed() {
    local _
    for _ in {1..300}; do
        administrator auth can-i "$@" && return
    done
    surprise "the API server does not know a right that was granted"
}

# The end: nothing is left, neither in the cluster nor in the directory. A namespace goes some seconds after it was deleted;
# nobody has to wait for that.
leave() {
    local status=$?
    [[ $status -eq 0 || -n ${WALK_TOLD-} ]] || printf '\nstopped: this was not meant to fail\n' >&2
    cd /
    administrator delete --ignore-not-found --wait=false "namespace/$NAMESPACE" "${TEMPORARY[@]}" || true
    rm -rf "$WALK_DIRECTORY"
}

[[ -n ${LAB_API_SERVER-} && -n ${KUBECONFIG-} ]] ||
    surprise "there is no lab here: \`authlab up\` starts one, and in \`authlab shell\` this can be run" 2
[[ ${AUTHLAB_PERSON-} == administrator ]] ||
    surprise "this begins as the lab's administrator: \`authlab shell\` without a name" 2
needs kubectl "ask the API server"

[[ -n ${WALK_STEP-} ]] || exec 3<"$0"
# A lab is on this machine: whatever proxy is set is not asked for it.
export NO_PROXY="127.0.0.1,localhost${NO_PROXY:+,$NO_PROXY}"
export no_proxy="$NO_PROXY"
WALK_ID="${WALK_ID:-$(od -An -N4 -tx1 /dev/urandom | tr -d ' \n')}"
NAMESPACE="walk-$WALK_ID"
TEMPORARY=("clusterrolebinding/demo-rbac-admin-$WALK_ID")
ADMINISTRATOR="$KUBECONFIG"
umask 077
# `authlab walk` has a directory of its own, to go on in another time.
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
    # The API server hears of a new right a moment later.
    until_allowed --as="system:serviceaccount:$NAMESPACE:demo-rbac-admin" '*' '*'
    WALK_TOKEN="$(kubectl --kubeconfig="$ADMINISTRATOR" --namespace="$NAMESPACE" create token demo-rbac-admin --duration=8h)"
    # Not an argument of a command: everybody on the machine can read those.
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

# In `authlab walk`, somebody else shows the blocks and asks for each.
[[ -z ${WALK_STEP-} ]] || return 0

# Shows the block that is about to be carried out, on standard error like a shell's own `set -v`.
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
