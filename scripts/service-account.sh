#!/usr/bin/env bash
# shellcheck source=scripts/begin.sh
. "$(dirname "${BASH_SOURCE[0]}")/begin.sh"

# Bearer tokens of a service account
#
# The cluster itself says who somebody is: it signs a token for a service account, and later believes its own signature.

needs jq "take a token apart"

# Create service account.
kubectl create serviceaccount sa1

# Get service account token. Until Kubernetes 1.23 a Secret with a token was made by itself, and the account named it.
kubectl get -o yaml sa sa1

SA_SECRET="$(kubectl get sa sa1 -o jsonpath='{.secrets[0].name}')"

# Today there is none, so there is no name, and the next command has nothing to ask for.
echo "SA_SECRET=${SA_SECRET}"

refused 'resource name may not be empty' kubectl get -o yaml secret "${SA_SECRET}"

# A Secret of this type that names the account is filled by the cluster: the article's way, made by hand.
# Its token never expires, which is why it is not made by itself any more.
kubectl apply -f - <<SECRET
apiVersion: v1
kind: Secret
type: kubernetes.io/service-account-token
metadata:
  name: sa1-token
  annotations:
    kubernetes.io/service-account.name: sa1
SECRET

SA_SECRET="sa1-token"

# The cluster does that on its own, a moment later: so ask until it is done.
for _ in {1..300}; do
  [[ -n "$(kubectl get secret "${SA_SECRET}" -o jsonpath='{.data.token}')" ]] && break
done

kubectl get -o yaml secret "${SA_SECRET}"

SA_TOKEN="$(kubectl get secret "${SA_SECRET}" -o jsonpath='{.data.token}' | base64 -d)"

# Send request.
kubectl "--token=${SA_TOKEN}" get nodes

kubectl config set-credentials sa1 "--token=${SA_TOKEN}"

kubectl config set-context sa1 --cluster demo-rbac --user sa1

kubectl --context=sa1 auth whoami -o json | jq .status.userInfo

# The way of today: a token that is asked for, for an hour, and bound to the account.
SA_TOKEN="$(kubectl create token sa1 --duration=1h)"

# A token is three parts with dots between them; the second says who, for whom and until when. Anybody can read it.
jq -rn --arg token "${SA_TOKEN}" '$token | split(".")[1] | gsub("-";"+") | gsub("_";"/") | . + "=" * ((4 - length % 4) % 4) | @base64d | fromjson'

kubectl config set-credentials sa1 "--token=${SA_TOKEN}"

kubectl --context=sa1 get nodes

# It is for this API server. A token for somebody else is not accepted here.
VAULT_TOKEN="$(kubectl create token sa1 --audience=vault)"

kubectl config set-credentials sa1-vault "--token=${VAULT_TOKEN}"

kubectl config set-context sa1-vault --cluster demo-rbac --user sa1-vault

refused 'You must be logged in to the server (Unauthorized)' kubectl --context=sa1-vault get nodes

# With the account go its tokens, long before they expire.
SA_TOKEN="$(kubectl create token sa1 --duration=1h)"

kubectl delete serviceaccount sa1

kubectl config set-credentials sa1 "--token=${SA_TOKEN}"

refused 'You must be logged in to the server (Unauthorized)' kubectl --context=sa1 get nodes
