#!/usr/bin/env bash
# shellcheck source=scripts/begin.sh
. "$(dirname "${BASH_SOURCE[0]}")/begin.sh"

# OIDC tokens of an identity provider
#
# Keycloak knows the people and signs who they are; the API server knows Keycloak's issuer URL and checks the signature.
# The article sets four flags (--oidc-issuer-url, --oidc-client-id, --oidc-username-claim, --oidc-groups-claim);
# the lab's API server has the same in an AuthenticationConfiguration, with the prefix "keycloak:" for names and groups.

needs curl "ask Keycloak for tokens"

needs jq "read Keycloak's answers"

needs authlab "log in for kubectl"

# What the article has in its environment, and which address it leaves out.
CLIENT_SECRET="$(cat "$LAB_CLIENT_SECRET_FILE")"

USER_PASSWORD="$(cat "$LAB_PASSWORDS/da-admin")"

TOKEN_ENDPOINT="${LAB_ISSUER}/protocol/openid-connect/token"

# curl does not know the authority of Keycloak's certificate.
refused 'SSL certificate problem' curl -sS "${TOKEN_ENDPOINT}"

# It is named each time, rather than looking away with -k.
# Login request from the client with visualization of the response.
curl --cacert "${LAB_ISSUER_AUTHORITY}" "${TOKEN_ENDPOINT}" \
  -d "grant_type=password" \
  -d "scope=openid" \
  -d "client_id=kubernetes" \
  -d "client_secret=${CLIENT_SECRET}" \
  -d "username=da-admin" \
  -d "password=${USER_PASSWORD}" \
  | jq .

# Login: the same request but with response tokens saved in environment variables for use in the followup commands.
# What the article has here asks with a refresh token, which nobody has yet: Keycloak refuses, and all three are empty.
REFRESH_TOKEN=""

eval "$(curl -d "grant_type=refresh_token" -d "client_id=kubernetes" \
  -d "client_secret=${CLIENT_SECRET}" -d "refresh_token=${REFRESH_TOKEN}" \
  --cacert "${LAB_ISSUER_AUTHORITY}" "${TOKEN_ENDPOINT}" | \
  jq -r '"REFRESH_TOKEN="+.refresh_token,"TOKEN="+.access_token,"ID_TOKEN="+.id_token')" ; \
  echo ; echo "TOKEN=${TOKEN}" ; echo ; echo "ID_TOKEN=${ID_TOKEN}" ; echo

# The password is what it meant.
eval "$(curl -d "grant_type=password" -d "scope=openid" -d "client_id=kubernetes" \
  -d "client_secret=${CLIENT_SECRET}" -d "username=da-admin" -d "password=${USER_PASSWORD}" \
  --cacert "${LAB_ISSUER_AUTHORITY}" "${TOKEN_ENDPOINT}" | \
  jq -r '"REFRESH_TOKEN="+.refresh_token,"TOKEN="+.access_token,"ID_TOKEN="+.id_token')" ; \
  echo ; echo "TOKEN=${TOKEN}" ; echo ; echo "ID_TOKEN=${ID_TOKEN}" ; echo

# Refresh token request with visualized response.
curl \
  -d "grant_type=refresh_token" \
  -d "client_id=kubernetes" \
  -d "client_secret=${CLIENT_SECRET}" \
  -d "refresh_token=${REFRESH_TOKEN}" \
  --cacert "${LAB_ISSUER_AUTHORITY}" "${TOKEN_ENDPOINT}" | jq -r .

# Refresh: the same request with response tokens saved in the environment variables.
eval "$(curl -d "grant_type=refresh_token" -d "client_id=kubernetes" \
-d "client_secret=${CLIENT_SECRET}" -d "refresh_token=${REFRESH_TOKEN}" \
--cacert "${LAB_ISSUER_AUTHORITY}" "${TOKEN_ENDPOINT}" | \
jq -r '"REFRESH_TOKEN="+.refresh_token,"TOKEN="+.access_token,"ID_TOKEN="+.id_token')" ; \
echo ; echo "TOKEN=${TOKEN}" ; echo ; echo "ID_TOKEN=${ID_TOKEN}" ; echo

# Token introspection request: Keycloak says whether the token is still good, and what is in it. The API server never asks that.
curl --cacert "${LAB_ISSUER_AUTHORITY}" "${TOKEN_ENDPOINT}/introspect" \
  --user "kubernetes:${CLIENT_SECRET}" \
  -d "token=${TOKEN}" \
  | jq .

# kubectl kubeconfig configuration and request. kubectl is told no authority here, as in the article, and trusts the machine's.
kubectl config set-credentials da-admin \
   "--auth-provider=oidc" \
   "--auth-provider-arg=idp-issuer-url=${LAB_ISSUER}" \
   "--auth-provider-arg=client-id=kubernetes" \
   "--auth-provider-arg=client-secret=${CLIENT_SECRET}" \
   "--auth-provider-arg=refresh-token=${REFRESH_TOKEN}"

kubectl config set-context da-admin --cluster=demo-rbac --user=da-admin

refused 'certificate signed by unknown authority' kubectl --context=da-admin get nodes

# With the authority of Keycloak's certificate it fetches an ID token by itself, and keeps it in the kubeconfig.
kubectl config set-credentials da-admin \
   "--auth-provider=oidc" \
   "--auth-provider-arg=idp-certificate-authority=${LAB_ISSUER_AUTHORITY}"

kubectl --context=da-admin get nodes

kubectl --context=da-admin auth whoami -o json | jq .status.userInfo

kubectl config view -o json | jq '.users[] | select(.name == "da-admin").user["auth-provider"].config | keys'

# da-admin is Keycloak's name; the API server's has the prefix, and so has the group that a RoleBinding must name.
refused 'User "keycloak:da-admin" cannot list resource "secrets"' kubectl --context=da-admin get secrets

# An auth provider is built into kubectl; the one for OIDC is the last that is left.
# What took its place is an exec plugin: any program that prints a credential. This one is the login of above.
mkdir bin

# (It is in a directory of its own since kubectl writes down where it is from the kubeconfig on, and looks for a bare name in PATH.)
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

# A plugin that is made for that keeps the login for its owner alone, and refreshes it before it expires.
# Without --flow it opens the browser; here it is told the password, as nobody sits at the screen.
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

# Nobody logs in for this one: the token that is kept is still good.
kubectl --context=da-admin-login auth whoami -o json | jq .status.userInfo

# A token from which somebody took the signature is nobody's.
kubectl config set-credentials mallory "--token=${ID_TOKEN%.*}."

kubectl config set-context mallory --cluster=demo-rbac --user=mallory

refused 'You must be logged in to the server (Unauthorized)' kubectl --context=mallory get nodes
