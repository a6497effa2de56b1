#!/usr/bin/env bash
# shellcheck source=scripts/begin.sh
. "$(dirname "${BASH_SOURCE[0]}")/begin.sh"

# OIDC tokens of an identity provider
#
# Keycloak authenticates users and signs their identity; the API server is configured with Keycloak's issuer URL and checks the signature.
# The four flags --oidc-issuer-url, --oidc-client-id, --oidc-username-claim and --oidc-groups-claim configure it. The lab's API
# server has the same settings in an AuthenticationConfiguration, with the prefix "keycloak:" for users and groups.

needs curl "request tokens from Keycloak"

needs jq "read Keycloak's responses"

needs authlab "log in for kubectl"

# Set the client's secret, the user's password, and the token endpoint.
CLIENT_SECRET="$(cat "$LAB_CLIENT_SECRET_FILE")"

USER_PASSWORD="$(cat "$LAB_PASSWORDS/da-admin")"

TOKEN_ENDPOINT="${LAB_ISSUER}/protocol/openid-connect/token"

# curl does not trust the authority of Keycloak's certificate.
refused 'SSL certificate problem' curl -sS "${TOKEN_ENDPOINT}"

# Log in, and show the response. The option --cacert names the authority.
curl --cacert "${LAB_ISSUER_AUTHORITY}" "${TOKEN_ENDPOINT}" \
  -d "grant_type=password" \
  -d "scope=openid" \
  -d "client_id=kubernetes" \
  -d "client_secret=${CLIENT_SECRET}" \
  -d "username=da-admin" \
  -d "password=${USER_PASSWORD}" \
  | jq .

# Save the tokens of a response in variables. This request presents a refresh token, and there is none yet:
# Keycloak refuses it, and the variables stay empty.
REFRESH_TOKEN=""

eval "$(curl -d "grant_type=refresh_token" -d "client_id=kubernetes" \
  -d "client_secret=${CLIENT_SECRET}" -d "refresh_token=${REFRESH_TOKEN}" \
  --cacert "${LAB_ISSUER_AUTHORITY}" "${TOKEN_ENDPOINT}" | \
  jq -r '"REFRESH_TOKEN="+.refresh_token,"TOKEN="+.access_token,"ID_TOKEN="+.id_token')" ; \
  echo ; echo "TOKEN=${TOKEN}" ; echo ; echo "ID_TOKEN=${ID_TOKEN}" ; echo

# Log in with the password, and save the tokens.
eval "$(curl -d "grant_type=password" -d "scope=openid" -d "client_id=kubernetes" \
  -d "client_secret=${CLIENT_SECRET}" -d "username=da-admin" -d "password=${USER_PASSWORD}" \
  --cacert "${LAB_ISSUER_AUTHORITY}" "${TOKEN_ENDPOINT}" | \
  jq -r '"REFRESH_TOKEN="+.refresh_token,"TOKEN="+.access_token,"ID_TOKEN="+.id_token')" ; \
  echo ; echo "TOKEN=${TOKEN}" ; echo ; echo "ID_TOKEN=${ID_TOKEN}" ; echo

# Refresh the login, and show the response.
curl \
  -d "grant_type=refresh_token" \
  -d "client_id=kubernetes" \
  -d "client_secret=${CLIENT_SECRET}" \
  -d "refresh_token=${REFRESH_TOKEN}" \
  --cacert "${LAB_ISSUER_AUTHORITY}" "${TOKEN_ENDPOINT}" | jq -r .

# Refresh the login, and save the tokens.
eval "$(curl -d "grant_type=refresh_token" -d "client_id=kubernetes" \
-d "client_secret=${CLIENT_SECRET}" -d "refresh_token=${REFRESH_TOKEN}" \
--cacert "${LAB_ISSUER_AUTHORITY}" "${TOKEN_ENDPOINT}" | \
jq -r '"REFRESH_TOKEN="+.refresh_token,"TOKEN="+.access_token,"ID_TOKEN="+.id_token')" ; \
echo ; echo "TOKEN=${TOKEN}" ; echo ; echo "ID_TOKEN=${ID_TOKEN}" ; echo

# Introspect the token: Keycloak reports whether it is still active, and its claims. The API server never sends this request.
curl --cacert "${LAB_ISSUER_AUTHORITY}" "${TOKEN_ENDPOINT}/introspect" \
  --user "kubernetes:${CLIENT_SECRET}" \
  -d "token=${TOKEN}" \
  | jq .

# Let kubectl log in with the refresh token. Without an authority in the kubeconfig, kubectl trusts only those of the machine.
kubectl config set-credentials da-admin \
   "--auth-provider=oidc" \
   "--auth-provider-arg=idp-issuer-url=${LAB_ISSUER}" \
   "--auth-provider-arg=client-id=kubernetes" \
   "--auth-provider-arg=client-secret=${CLIENT_SECRET}" \
   "--auth-provider-arg=refresh-token=${REFRESH_TOKEN}"

kubectl config set-context da-admin --cluster=demo-rbac --user=da-admin

refused 'certificate signed by unknown authority' kubectl --context=da-admin get nodes

# With the authority of Keycloak's certificate, kubectl fetches an ID token by itself, and stores it in the kubeconfig.
kubectl config set-credentials da-admin \
   "--auth-provider=oidc" \
   "--auth-provider-arg=idp-certificate-authority=${LAB_ISSUER_AUTHORITY}"

kubectl --context=da-admin get nodes

kubectl --context=da-admin auth whoami -o json | jq .status.userInfo

kubectl config view -o json | jq '.users[] | select(.name == "da-admin").user["auth-provider"].config | keys'

# da-admin is the name at Keycloak. At the API server, users and groups have the prefix: a binding must name them with it.
refused 'User "keycloak:da-admin" cannot list resource "secrets"' kubectl --context=da-admin get secrets

# The OIDC auth provider is built into kubectl. Its successor is the exec plugin: any program that prints a credential.
# This plugin logs in as above.
mkdir bin

# (It is in a directory because kubectl stores its path relative to the kubeconfig, and looks for a bare name in PATH.)
cat > bin/login <<PLUGIN
#!/bin/sh
curl -sS --cacert "${LAB_ISSUER_AUTHORITY}" "${TOKEN_ENDPOINT}" \
  -d "grant_type=password" -d "scope=openid" -d "client_id=kubernetes" -d "client_secret=${CLIENT_SECRET}" \
  -d "username=da-admin" -d "password=${USER_PASSWORD}" |
  jq '{apiVersion: "client.authentication.k8s.io/v1", kind: "ExecCredential", status: {token: .id_token}}'
PLUGIN

chmod 700 bin/login

kubectl config set-credentials da-admin-exec --exec-api-version=client.authentication.k8s.io/v1 \
   --exec-interactive-mode=Never --exec-command="$(pwd)/bin/login"

kubectl config set-context da-admin-exec --cluster=demo-rbac --user=da-admin-exec

kubectl --context=da-admin-exec get nodes

kubectl --context=da-admin-exec auth whoami -o json | jq .status.userInfo

# The plugin `authlab token oidc` stores the login for its owner alone, and refreshes it before it expires.
# Without --flow it opens a browser; here it reads the password from a file.
kubectl config set-credentials da-admin-login --exec-api-version=client.authentication.k8s.io/v1 \
   --exec-interactive-mode=IfAvailable --exec-command=authlab \
   --exec-arg=token --exec-arg=oidc \
   --exec-arg="--issuer=${LAB_ISSUER}" \
   --exec-arg="--certificate-authority=${LAB_ISSUER_AUTHORITY}" \
   --exec-arg="--client-id=${LAB_CLIENT_ID}" \
   --exec-arg="--client-secret-file=${LAB_CLIENT_SECRET_FILE}" \
   --exec-arg="--login-dir=$(pwd)/logins" \
   --exec-arg=--flow=password \
   --exec-arg=--username=da-admin \
   --exec-arg="--password-file=${LAB_PASSWORDS}/da-admin"

kubectl config set-context da-admin-login --cluster=demo-rbac --user=da-admin-login

kubectl --context=da-admin-login get nodes

# This request needs no login: the stored token is still valid.
kubectl --context=da-admin-login auth whoami -o json | jq .status.userInfo

# A token without its signature is refused.
kubectl config set-credentials mallory "--token=${ID_TOKEN%.*}."

kubectl config set-context mallory --cluster=demo-rbac --user=mallory

refused 'You must be logged in to the server (Unauthorized)' kubectl --context=mallory get nodes
