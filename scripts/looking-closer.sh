#!/usr/bin/env bash
# shellcheck source=scripts/begin.sh disable=SC2155
. "$(dirname "${BASH_SOURCE[0]}")/begin.sh"

# Looking closer
#
# What goes over the wire, and what kubectl has in its file: curl, kubectl, jq.

needs curl "ask the API server by hand"

needs jq "read the answers"

needs less "page through a long answer"

# A token of the administrator, and the address that the article leaves out.
TOKEN="$(kubectl create token demo-rbac-admin)"

NODES="${LAB_API_SERVER}/api/v1/nodes"

# With -k curl takes anybody for the API server, and hands the token to whoever answers. It works, and nothing is proved.
curl -k -v -XGET -H "Authorization: Bearer ${TOKEN}" \
  "${NODES}" | jq -C . | less -R

# The lab's authority in place of -k: the same answer, from the one who was meant.
curl --cacert "${LAB_API_SERVER_AUTHORITY}" -v -XGET -H "Authorization: Bearer ${TOKEN}" \
  "${NODES}" | jq -r '.items[].metadata.name'

# No credential at all is somebody: anonymous, and forbidden.
refused '"code": 403' curl -sS --fail-with-body --cacert "${LAB_API_SERVER_AUTHORITY}" "${NODES}"

# A bad one is nobody: unauthenticated.
refused '"code": 401' curl -sS --fail-with-body --cacert "${LAB_API_SERVER_AUTHORITY}" -H "Authorization: Bearer nonsense" "${NODES}"

# An example of a kubeconfig: where (clusters), as whom (users), and both together under a name (contexts).
cat > kc.yaml <<KUBECONFIG
apiVersion: v1
kind: Config
clusters:
- name: demo-rbac
  cluster:
    server: ${LAB_API_SERVER}
    certificate-authority-data: $(base64 < "${LAB_API_SERVER_AUTHORITY}" | tr -d '\n')
users:
- name: demo-rbac-admin-token
  user:
    token: ${TOKEN}
contexts:
- name: demo-rbac
  context:
    cluster: demo-rbac
    user: demo-rbac-admin-token
current-context: demo-rbac
KUBECONFIG

# A kubeconfig can be named by an option …
kubectl --kubeconfig=kc.yaml get nodes

# … or by the environment.
export KUBECONFIG="$(pwd)/config.yaml"

kubectl get nodes

# kubectl says what it asks, too. It leaves the token out.
kubectl get nodes --v=9

# The kubeconfig taken apart: the context that is current, whom it names, and whom kubectl would trust.
kubectl --kubeconfig=kc.yaml config get-contexts

kubectl --kubeconfig=kc.yaml config current-context

kubectl --kubeconfig=kc.yaml config view

kubectl --kubeconfig=kc.yaml config view --raw -o json | jq '.users[].user | map_values(length)'

# Two files at once: what the first has, counts.
KUBECONFIG="$(pwd)/kc.yaml:$(pwd)/config.yaml" kubectl config view -o json | jq '[.contexts[].name]'
