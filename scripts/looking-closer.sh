#!/usr/bin/env bash
# shellcheck source=scripts/begin.sh disable=SC2155
. "$(dirname "${BASH_SOURCE[0]}")/begin.sh"

# Requests and kubeconfigs in detail
#
# The requests that clients send, and the contents of a kubeconfig, with curl, kubectl and jq.

needs curl "send requests to the API server"

needs jq "read the responses"

needs less "page through a long response"

# Get a token of the administrator, and set the address of a request.
TOKEN="$(kubectl create token demo-rbac-admin)"

NODES="${LAB_API_SERVER}/api/v1/nodes"

# With -k, curl does not check the server's certificate, and sends the token to any server that answers.
curl -k -v -XGET -H "Authorization: Bearer ${TOKEN}" \
  "${NODES}" | jq -C . | less -R

# With the lab's authority, curl sends the token to the API server alone.
curl --cacert "${LAB_API_SERVER_AUTHORITY}" -v -XGET -H "Authorization: Bearer ${TOKEN}" \
  "${NODES}" | jq -r '.items[].metadata.name'

# A request without a credential is anonymous, and forbidden.
refused '"code": 403' curl -sS --fail-with-body --cacert "${LAB_API_SERVER_AUTHORITY}" "${NODES}"

# A request with an invalid credential is unauthenticated.
refused '"code": 401' curl -sS --fail-with-body --cacert "${LAB_API_SERVER_AUTHORITY}" -H "Authorization: Bearer nonsense" "${NODES}"

# Write a kubeconfig: servers (clusters), credentials (users), and named pairs of both (contexts).
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

# Select a kubeconfig with an option.
kubectl --kubeconfig=kc.yaml get nodes

# Select a kubeconfig with a variable.
export KUBECONFIG="$(pwd)/config.yaml"

kubectl get nodes

# Show kubectl's requests. It leaves the token out.
kubectl get nodes --v=9

# Read a kubeconfig: its contexts, the current one, and everything but the secrets.
kubectl --kubeconfig=kc.yaml config get-contexts

kubectl --kubeconfig=kc.yaml config current-context

kubectl --kubeconfig=kc.yaml config view

kubectl --kubeconfig=kc.yaml config view --raw -o json | jq '.users[].user | map_values(length)'

# Combine two files: entries of the first take precedence.
KUBECONFIG="$(pwd)/kc.yaml:$(pwd)/config.yaml" kubectl config view -o json | jq '[.contexts[].name]'
