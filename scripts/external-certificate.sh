#!/usr/bin/env bash
# shellcheck source=scripts/begin.sh
. "$(dirname "${BASH_SOURCE[0]}")/begin.sh"

# Client certificates, signed outside of the cluster
#
# Somebody who holds the key of the client authority signs a certificate for user1.
# The API server trusts that authority (--client-ca-file): who the certificate names is who asks.

needs openssl "make user1's key, request and certificate"

needs jq "show who the API server takes user1 for"

# In the article the administrator has the authority's files at hand; here they are the lab's.
cp "$LAB_CLIENT_AUTHORITY" cluster-ca.crt

cp "$LAB_CLIENT_AUTHORITY_KEY" cluster-ca.key

# User: generate user private key (if not exist).
openssl genrsa -out user1.key 2048

# User: generate user CSR. CN becomes the user's name, each O a group.
openssl req -new -key user1.key -out user1.csr -subj "/CN=user1/O=group1/O=group2"

# Admin: sign user client cert, as the article does.
openssl x509 -req -in user1.csr -CA cluster-ca.crt -CAkey cluster-ca.key \
    -set_serial 101 -extensions client -days 365 -outform PEM -out user1.crt

# There is no file in which openssl could find the extensions "client", so it leaves them out:
# the certificate has none, and nothing says what it is for.
openssl x509 -in user1.crt -noout -subject -serial -ext extendedKeyUsage

# The API server takes it even so: a certificate without the extension is good for everything.
# The form that says "for clients" names a file with that section.
cat > client.cnf <<SECTION
[client]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = clientAuth
SECTION

openssl x509 -req -in user1.csr -CA cluster-ca.crt -CAkey cluster-ca.key \
    -set_serial 102 -extfile client.cnf -extensions client -days 365 -outform PEM -out user1.crt

openssl x509 -in user1.crt -noout -subject -serial -ext extendedKeyUsage

# User: use with kubectl via options …
kubectl --client-key=user1.key --client-certificate=user1.crt get nodes

# Who is that, to the API server? The kubeconfig's own token went along, too: a certificate comes first.
kubectl --client-key=user1.key --client-certificate=user1.crt auth whoami -o json | jq .status.userInfo

# … or kubeconfig.
kubectl config set-credentials user1 --client-key user1.key --client-certificate user1.crt --embed-certs

kubectl config set-context user1 --cluster demo-rbac --user user1

kubectl --context=user1 get nodes

kubectl config use-context user1

kubectl config get-contexts

kubectl get nodes

# user1 may see nodes, since group1 may; what nobody allowed is forbidden, and the answer says who user1 is.
refused 'User "user1" cannot list resource "secrets"' kubectl get secrets

# Mallory signs for herself: the same words, another authority. Nobody believes her, and is not told why.
openssl genrsa -out mallory.key 2048

openssl req -x509 -new -key mallory.key -out mallory.crt -subj "/CN=user1/O=group1/O=group2" -days 1

kubectl config set-credentials mallory --client-key mallory.key --client-certificate mallory.crt --embed-certs

kubectl config set-context mallory --cluster demo-rbac --user mallory

refused 'You must be logged in to the server (Unauthorized)' kubectl --context=mallory get nodes
