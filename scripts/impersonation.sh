#!/usr/bin/env bash
# shellcheck source=scripts/begin.sh
. "$(dirname "${BASH_SOURCE[0]}")/begin.sh"

# Impersonation
#
# Somebody who is known already asks to be taken for somebody else, and needs a right for that.
# From then on the other's rights count. The article has no commands for this; --as is kubectl's word for it.

needs curl "send the headers by hand"

needs jq "read the answers"

# An administrator may be anybody.
kubectl auth whoami -o json --as=user1 --as-group=group1 --as-group=group2 | jq .status.userInfo

kubectl --as=user1 --as-group=group1 get nodes

# The rights are those of the other alone: user1 may not what the administrator may.
refused 'User "user1" cannot list resource "secrets"' kubectl --as=user1 --as-group=group1 get secrets

# Groups are not looked up anywhere. user1 without group1 is a user without rights.
refused 'User "user1" cannot list resource "nodes"' kubectl --as=user1 get nodes

# The helpdesk is known, but has no right to be anybody else.
kubectl create serviceaccount helpdesk

kubectl config set-credentials helpdesk "--token=$(kubectl create token helpdesk)"

kubectl config set-context helpdesk --cluster demo-rbac --user helpdesk

refused 'cannot impersonate' kubectl --context=helpdesk --as=user1 get nodes

# Cluster roles and their bindings have no namespace: this name is one that nobody else has.
IMPERSONATOR="demo-rbac-impersonator-${WALK_ID}"

temporary "clusterrole/${IMPERSONATOR}" "clusterrolebinding/${IMPERSONATOR}"

# The right is one for each name: being user1, and being in group1.
kubectl create clusterrole "${IMPERSONATOR}" --verb=impersonate --resource=users,groups \
  --resource-name=user1 --resource-name=group1

kubectl create clusterrolebinding "${IMPERSONATOR}" --clusterrole="${IMPERSONATOR}" --serviceaccount="${NAMESPACE}:helpdesk"

# The API server hears of a binding a moment later: so ask until the right is known.
for _ in {1..300}; do
  kubectl --context=helpdesk auth can-i impersonate users/user1 &> /dev/null &&
    kubectl --context=helpdesk auth can-i impersonate groups/group1 &> /dev/null && break
done

kubectl --context=helpdesk --as=user1 --as-group=group1 get nodes

refused 'cannot impersonate' kubectl --context=helpdesk --as=user2 --as-group=group1 get nodes

refused 'cannot impersonate' kubectl --context=helpdesk --as=user1 --as-group=system:masters get nodes

# What kubectl sends are headers; anything that speaks HTTP can.
HELPDESK_TOKEN="$(kubectl create token helpdesk)"

curl -sS --fail-with-body --cacert "$LAB_API_SERVER_AUTHORITY" -H "Authorization: Bearer ${HELPDESK_TOKEN}" \
  -H 'Impersonate-User: user1' -H 'Impersonate-Group: group1' "${LAB_API_SERVER}/api/v1/nodes" | jq -r '.items[].metadata.name'

# A group without a user is not a request that can be understood.
refused 'without impersonating a user' curl -sS --fail-with-body --cacert "$LAB_API_SERVER_AUTHORITY" \
  -H "Authorization: Bearer ${HELPDESK_TOKEN}" -H 'Impersonate-Group: group1' "${LAB_API_SERVER}/api/v1/nodes"
