#!/usr/bin/env bash
# shellcheck source=scripts/begin.sh
. "$(dirname "${BASH_SOURCE[0]}")/begin.sh"

# An authenticating proxy
#
# A proxy finds out who somebody is, in any way it likes, and tells the API server in headers.
# The API server believes it because of the certificate that the proxy shows (--requestheader-client-ca-file).
# The article has no commands for this; these look at it from each side.

needs openssl "make a certificate for user1"

needs curl "ask the proxy and the API server"

needs jq "read the answers"

# user1 has a certificate, as in the walk-through of external certificates.
openssl genrsa -out user1.key 2048

openssl req -new -key user1.key -out user1.csr -subj "/CN=user1/O=group1/O=group2"

# The proxy is stricter than the API server: a certificate without extensions is no certificate to it.
cat > client.cnf <<SECTION
[client]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = clientAuth
SECTION

openssl x509 -req -in user1.csr -CA "$LAB_CLIENT_AUTHORITY" -CAkey "$LAB_CLIENT_AUTHORITY_KEY" \
    -set_serial 103 -extfile client.cnf -extensions client -days 1 -outform PEM -out user1.crt

# The question of all that follows: who am I?
cat > question.json <<QUESTION
{"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
QUESTION

WHOAMI="/apis/authentication.k8s.io/v1/selfsubjectreviews"

# Who shows the proxy nothing is nobody to it. The API server is not even asked.
refused '401' curl -sS --fail-with-body --cacert "$LAB_AUTH_PROXY_AUTHORITY" "$LAB_AUTH_PROXY/api/v1/nodes"

# user1 shows it a certificate. The proxy's own certificate is what the API server sees; the headers say user1.
curl -sS --fail-with-body --cacert "$LAB_AUTH_PROXY_AUTHORITY" --cert user1.crt --key user1.key \
  -H 'Content-Type: application/json' -d @question.json "${LAB_AUTH_PROXY}${WHOAMI}" | jq .status.userInfo

# kubectl needs nothing but another address. It is user1 there, and an administrator at the API server itself.
kubectl config set-cluster proxy --server="$LAB_AUTH_PROXY" --certificate-authority="$LAB_AUTH_PROXY_AUTHORITY" --embed-certs

kubectl config set-credentials user1 --client-key user1.key --client-certificate user1.crt --embed-certs

kubectl config set-context user1 --cluster proxy --user user1

kubectl --context=user1 get nodes

# The proxy takes Keycloak's tokens as well: that is its own decision, the API server has no part in it.
CLIENT_SECRET="$(cat "$LAB_CLIENT_SECRET_FILE")"

USER_PASSWORD="$(cat "$LAB_PASSWORDS/da-admin")"

ID_TOKEN="$(curl -sS --cacert "${LAB_ISSUER_AUTHORITY}" "${LAB_ISSUER}/protocol/openid-connect/token" \
  -d "grant_type=password" -d "scope=openid" -d "client_id=kubernetes" -d "client_secret=${CLIENT_SECRET}" \
  -d "username=da-admin" -d "password=${USER_PASSWORD}" | jq -r .id_token)"

curl -sS --fail-with-body --cacert "$LAB_AUTH_PROXY_AUTHORITY" -H "Authorization: Bearer ${ID_TOKEN}" \
  -H 'Content-Type: application/json' -d @question.json "${LAB_AUTH_PROXY}${WHOAMI}" | jq .status.userInfo

# What the proxy does, done by hand: with its certificate, headers are believed, whatever they say.
curl -sS --fail-with-body --cacert "$LAB_API_SERVER_AUTHORITY" \
  --cert "$LAB_FRONT_PROXY_CERTIFICATE" --key "$LAB_FRONT_PROXY_KEY" \
  -H 'X-Remote-User: anybody' -H 'X-Remote-Group: group1' -H 'X-Remote-Group: group2' \
  -H 'Content-Type: application/json' -d @question.json "${LAB_API_SERVER}${WHOAMI}" | jq .status.userInfo

# So that key is worth as much as all others together. Without the certificate the same headers are air.
refused 'system:anonymous' curl -sS --fail-with-body --cacert "$LAB_API_SERVER_AUTHORITY" \
  -H 'X-Remote-User: anybody' -H 'X-Remote-Group: system:masters' "${LAB_API_SERVER}/api/v1/nodes"

# And who sends them through the proxy is who the proxy knows: it takes such headers away.
curl -sS --fail-with-body --cacert "$LAB_AUTH_PROXY_AUTHORITY" --cert user1.crt --key user1.key \
  -H 'X-Remote-User: anybody' -H 'X-Remote-Group: system:masters' \
  -H 'Content-Type: application/json' -d @question.json "${LAB_AUTH_PROXY}${WHOAMI}" | jq .status.userInfo
