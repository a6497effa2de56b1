#!/usr/bin/env bash
# shellcheck source=scripts/begin.sh
. "$(dirname "${BASH_SOURCE[0]}")/begin.sh"

# Impersonation
#
# An authenticated user asks to act as another user, and needs a right for that.
# The request then has the other user's rights alone. kubectl's option for it is --as.

needs curl "send the headers by hand"

needs jq "read the responses"

# An administrator may impersonate anyone.
kubectl auth whoami -o json --as=user1 --as-group=group1 --as-group=group2 | jq .status.userInfo

kubectl --as=user1 --as-group=group1 get nodes

# Only user1's rights count: the administrator's do not.
refused 'User "user1" cannot list resource "secrets"' kubectl --as=user1 --as-group=group1 get secrets

# Groups are not looked up anywhere: without group1, user1 has no rights.
refused 'User "user1" cannot list resource "nodes"' kubectl --as=user1 get nodes

# The helpdesk is authenticated, but may not impersonate anyone.
kubectl create serviceaccount helpdesk

kubectl config set-credentials helpdesk "--token=$(kubectl create token helpdesk)"

kubectl config set-context helpdesk --cluster demo-rbac --user helpdesk

refused 'cannot impersonate' kubectl --context=helpdesk --as=user1 get nodes

# Cluster roles and their bindings have no namespace, so their name must be unique in the cluster.
IMPERSONATOR="demo-rbac-impersonator-${WALK_ID}"

temporary "clusterrole/${IMPERSONATOR}" "clusterrolebinding/${IMPERSONATOR}"

# Grant the right for each name: for the user user1, and for the group group1.
kubectl create clusterrole "${IMPERSONATOR}" --verb=impersonate --resource=users,groups \
  --resource-name=user1 --resource-name=group1

kubectl create clusterrolebinding "${IMPERSONATOR}" --clusterrole="${IMPERSONATOR}" --serviceaccount="${NAMESPACE}:helpdesk"

# The API server applies a binding a moment later: repeat until the right is there.
for _ in {1..300}; do
  kubectl --context=helpdesk auth can-i impersonate users/user1 &> /dev/null &&
    kubectl --context=helpdesk auth can-i impersonate groups/group1 &> /dev/null && break
done

# The helpdesk may now act as user1 in group1, and as nobody else.
kubectl --context=helpdesk --as=user1 --as-group=group1 get nodes

refused 'cannot impersonate' kubectl --context=helpdesk --as=user2 --as-group=group1 get nodes

refused 'cannot impersonate' kubectl --context=helpdesk --as=user1 --as-group=system:masters get nodes

# kubectl sends HTTP headers. Any HTTP client can do the same.
HELPDESK_TOKEN="$(kubectl create token helpdesk)"

curl -sS --fail-with-body --cacert "$LAB_API_SERVER_AUTHORITY" -H "Authorization: Bearer ${HELPDESK_TOKEN}" \
  -H 'Impersonate-User: user1' -H 'Impersonate-Group: group1' "${LAB_API_SERVER}/api/v1/nodes" | jq -r '.items[].metadata.name'

# A group without a user is a bad request.
refused 'without impersonating a user' curl -sS --fail-with-body --cacert "$LAB_API_SERVER_AUTHORITY" \
  -H "Authorization: Bearer ${HELPDESK_TOKEN}" -H 'Impersonate-Group: group1' "${LAB_API_SERVER}/api/v1/nodes"
