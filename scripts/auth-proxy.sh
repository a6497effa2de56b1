#!/usr/bin/env bash
# shellcheck source=scripts/begin.sh
. "$(dirname "${BASH_SOURCE[0]}")/begin.sh"

# An authenticating proxy
#
# A proxy authenticates its callers in any way it likes, and passes their identity to the API server in headers.
# The API server trusts the headers because of the client certificate that the proxy presents (--requestheader-client-ca-file).

needs openssl "make a certificate for user1"

needs curl "send requests to the proxy and the API server"

needs jq "read the responses"

# Make a certificate for user1, as in the walk-through external-certificate.
openssl genrsa -out user1.key 2048

openssl req -new -key user1.key -out user1.csr -subj "/CN=user1/O=group1/O=group2"

# The proxy is stricter than the API server: it requires the extension that limits a certificate to clients.
cat > client.cnf <<SECTION
[client]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = clientAuth
SECTION

openssl x509 -req -in user1.csr -CA "$LAB_CLIENT_AUTHORITY" -CAkey "$LAB_CLIENT_AUTHORITY_KEY" \
    -set_serial 103 -extfile client.cnf -extensions client -days 1 -outform PEM -out user1.crt

# Prepare a request that returns the caller's own identity.
cat > question.json <<QUESTION
{"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
QUESTION

WHOAMI="/apis/authentication.k8s.io/v1/selfsubjectreviews"

# The proxy refuses a request without a credential. The API server does not see it.
refused '401' curl -sS --fail-with-body --cacert "$LAB_AUTH_PROXY_AUTHORITY" "$LAB_AUTH_PROXY/api/v1/nodes"

# With user1's certificate, the proxy forwards the request: it presents its own certificate, and its headers name user1.
curl -sS --fail-with-body --cacert "$LAB_AUTH_PROXY_AUTHORITY" --cert user1.crt --key user1.key \
  -H 'Content-Type: application/json' -d @question.json "${LAB_AUTH_PROXY}${WHOAMI}" | jq .status.userInfo

# kubectl needs only the proxy's address and authority.
kubectl config set-cluster proxy --server="$LAB_AUTH_PROXY" --certificate-authority="$LAB_AUTH_PROXY_AUTHORITY" --embed-certs

kubectl config set-credentials user1 --client-key user1.key --client-certificate user1.crt --embed-certs

kubectl config set-context user1 --cluster proxy --user user1

kubectl --context=user1 get nodes

# The proxy accepts Keycloak's tokens, too. That is its own decision; the API server does not see the token.
CLIENT_SECRET="$(cat "$LAB_CLIENT_SECRET_FILE")"

USER_PASSWORD="$(cat "$LAB_PASSWORDS/da-admin")"

ID_TOKEN="$(curl -sS --cacert "${LAB_ISSUER_AUTHORITY}" "${LAB_ISSUER}/protocol/openid-connect/token" \
  -d "grant_type=password" -d "scope=openid" -d "client_id=kubernetes" -d "client_secret=${CLIENT_SECRET}" \
  -d "username=da-admin" -d "password=${USER_PASSWORD}" | jq -r .id_token)"

curl -sS --fail-with-body --cacert "$LAB_AUTH_PROXY_AUTHORITY" -H "Authorization: Bearer ${ID_TOKEN}" \
  -H 'Content-Type: application/json' -d @question.json "${LAB_AUTH_PROXY}${WHOAMI}" | jq .status.userInfo

# Send the proxy's request by hand: with its certificate, the API server trusts any headers.
curl -sS --fail-with-body --cacert "$LAB_API_SERVER_AUTHORITY" \
  --cert "$LAB_FRONT_PROXY_CERTIFICATE" --key "$LAB_FRONT_PROXY_KEY" \
  -H 'X-Remote-User: anybody' -H 'X-Remote-Group: group1' -H 'X-Remote-Group: group2' \
  -H 'Content-Type: application/json' -d @question.json "${LAB_API_SERVER}${WHOAMI}" | jq .status.userInfo

# So the proxy's key can be any user. Without the certificate, the API server ignores the same headers.
refused 'system:anonymous' curl -sS --fail-with-body --cacert "$LAB_API_SERVER_AUTHORITY" \
  -H 'X-Remote-User: anybody' -H 'X-Remote-Group: system:masters' "${LAB_API_SERVER}/api/v1/nodes"

# The proxy removes such headers from its callers' requests.
curl -sS --fail-with-body --cacert "$LAB_AUTH_PROXY_AUTHORITY" --cert user1.crt --key user1.key \
  -H 'X-Remote-User: anybody' -H 'X-Remote-Group: system:masters' \
  -H 'Content-Type: application/json' -d @question.json "${LAB_AUTH_PROXY}${WHOAMI}" | jq .status.userInfo
