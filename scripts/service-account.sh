#!/usr/bin/env bash
# shellcheck source=scripts/begin.sh
. "$(dirname "${BASH_SOURCE[0]}")/begin.sh"

# Bearer tokens of a service account
#
# The cluster signs tokens for its service accounts, and accepts its own signature.

needs jq "decode a token"

# Create a service account.
kubectl create serviceaccount sa1

# Get its token. Until Kubernetes 1.23, each account had a Secret with a token, and named it.
kubectl get -o yaml sa sa1

SA_SECRET="$(kubectl get sa sa1 -o jsonpath='{.secrets[0].name}')"

# Today there is no such Secret, so the variable is empty and the next command fails.
echo "SA_SECRET=${SA_SECRET}"

refused 'resource name may not be empty' kubectl get -o yaml secret "${SA_SECRET}"

# The cluster adds a token to a Secret of this type that names the account.
# This token never expires, which is why the cluster no longer creates it by itself.
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

# The cluster does so asynchronously: repeat until the token is there.
for _ in {1..300}; do
  [[ -n "$(kubectl get secret "${SA_SECRET}" -o jsonpath='{.data.token}')" ]] && break
done

kubectl get -o yaml secret "${SA_SECRET}"

SA_TOKEN="$(kubectl get secret "${SA_SECRET}" -o jsonpath='{.data.token}' | base64 -d)"

# Send requests with the token.
kubectl "--token=${SA_TOKEN}" get nodes

kubectl config set-credentials sa1 "--token=${SA_TOKEN}"

kubectl config set-context sa1 --cluster demo-rbac --user sa1

kubectl --context=sa1 auth whoami -o json | jq .status.userInfo

# The current way: request a token that is valid for an hour.
SA_TOKEN="$(kubectl create token sa1 --duration=1h)"

# A token has three parts, separated by dots. The second has the claims: subject, audience and expiry. Anyone can read it.
jq -rn --arg token "${SA_TOKEN}" '$token | split(".")[1] | gsub("-";"+") | gsub("_";"/") | . + "=" * ((4 - length % 4) % 4) | @base64d | fromjson'

kubectl config set-credentials sa1 "--token=${SA_TOKEN}"

kubectl --context=sa1 get nodes

# The token is for this API server. A token for another audience is refused.
VAULT_TOKEN="$(kubectl create token sa1 --audience=vault)"

kubectl config set-credentials sa1-vault "--token=${VAULT_TOKEN}"

kubectl config set-context sa1-vault --cluster demo-rbac --user sa1-vault

refused 'You must be logged in to the server (Unauthorized)' kubectl --context=sa1-vault get nodes

# Deleting the account invalidates its tokens, long before they expire.
SA_TOKEN="$(kubectl create token sa1 --duration=1h)"

kubectl delete serviceaccount sa1

kubectl config set-credentials sa1 "--token=${SA_TOKEN}"

refused 'You must be logged in to the server (Unauthorized)' kubectl --context=sa1 get nodes
