#!/usr/bin/env bash
# shellcheck source=scripts/begin.sh
. "$(dirname "${BASH_SOURCE[0]}")/begin.sh"

# Client certificates signed outside the cluster
#
# An administrator with the key of the client authority signs a certificate for user1.
# The API server trusts that authority (--client-ca-file) and takes the caller for the user that the certificate names.

needs openssl "make user1's key, request and certificate"

needs jq "show the user that the API server sees"

# Administrator: use the authority of the API server, here the lab's.
cp "$LAB_CLIENT_AUTHORITY" cluster-ca.crt

cp "$LAB_CLIENT_AUTHORITY_KEY" cluster-ca.key

# User: generate a private key.
openssl genrsa -out user1.key 2048

# User: generate a certificate signing request. CN is the name of the user, each O is a group.
openssl req -new -key user1.key -out user1.csr -subj "/CN=user1/O=group1/O=group2"

# Administrator: sign the certificate.
openssl x509 -req -in user1.csr -CA cluster-ca.crt -CAkey cluster-ca.key \
    -set_serial 101 -extensions client -days 365 -outform PEM -out user1.crt

# Without a file that defines the extensions "client", openssl leaves them out:
# the certificate does not say what it may be used for.
openssl x509 -in user1.crt -noout -subject -serial -ext extendedKeyUsage

# The API server accepts it even so: a certificate without the extension may be used for everything.
# To limit it to clients, define the extensions in a file and sign again.
cat > client.cnf <<SECTION
[client]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = clientAuth
SECTION

openssl x509 -req -in user1.csr -CA cluster-ca.crt -CAkey cluster-ca.key \
    -set_serial 102 -extfile client.cnf -extensions client -days 365 -outform PEM -out user1.crt

openssl x509 -in user1.crt -noout -subject -serial -ext extendedKeyUsage

# User: present the certificate with kubectl's options.
kubectl --client-key=user1.key --client-certificate=user1.crt get nodes

# The API server takes the caller for user1. The kubeconfig's token was sent along, but a certificate takes precedence.
kubectl --client-key=user1.key --client-certificate=user1.crt auth whoami -o json | jq .status.userInfo

# User: store the certificate in the kubeconfig.
kubectl config set-credentials user1 --client-key user1.key --client-certificate user1.crt --embed-certs

kubectl config set-context user1 --cluster demo-rbac --user user1

kubectl --context=user1 get nodes

kubectl config use-context user1

kubectl config get-contexts

kubectl get nodes

# user1 may list nodes, because group1 may. Other requests are forbidden, and the response names the user.
refused 'User "user1" cannot list resource "secrets"' kubectl get secrets

# Mallory signs a certificate with the same subject herself. The API server refuses it, and does not tell her why.
openssl genrsa -out mallory.key 2048

openssl req -x509 -new -key mallory.key -out mallory.crt -subj "/CN=user1/O=group1/O=group2" -days 1

kubectl config set-credentials mallory --client-key mallory.key --client-certificate mallory.crt --embed-certs

kubectl config set-context mallory --cluster demo-rbac --user mallory

refused 'You must be logged in to the server (Unauthorized)' kubectl --context=mallory get nodes
