#!/usr/bin/env bash
# shellcheck source=scripts/begin.sh disable=SC2002
. "$(dirname "${BASH_SOURCE[0]}")/begin.sh"

# Client certificates signed by the cluster
#
# The authority's key never leaves the cluster. user2 creates a CertificateSigningRequest, an administrator approves it,
# and the cluster's signer signs.

needs openssl "make user2's key and request, and read the certificate"

needs jq "show the user that the API server sees"

# A signing request has no namespace, so its name must be unique in the cluster.
CSR="user2-${WALK_ID}"

temporary "csr/${CSR}" "csr/${CSR}-denied"

# User: generate a private key.
openssl genrsa -out user2.key 2048

# User: generate a certificate signing request.
openssl req -new -key user2.key -out user2.csr -subj "/CN=user2/O=group1/O=group2"

# Administrator: ask the API server to sign it. The version v1beta1 ended with Kubernetes 1.22.
refused 'no matches for kind "CertificateSigningRequest" in version "certificates.k8s.io/v1beta1"' kubectl apply -f - <<REQUEST
apiVersion: certificates.k8s.io/v1beta1
kind: CertificateSigningRequest
metadata:
  name: ${CSR}
spec:
  request: $(cat user2.csr | base64 | tr -d '\n')
  usages: ['digital signature', 'key encipherment',
    'client auth']
REQUEST

# In v1, a request must name its signer.
refused 'spec.signerName: Required value' kubectl apply -f - <<REQUEST
apiVersion: certificates.k8s.io/v1
kind: CertificateSigningRequest
metadata:
  name: ${CSR}
spec:
  request: $(cat user2.csr | base64 | tr -d '\n')
  usages: ['digital signature', 'key encipherment',
    'client auth']
REQUEST

# This signer issues client certificates that the API server accepts. The request may ask for a short lifetime, too.
kubectl apply -f - <<REQUEST
apiVersion: certificates.k8s.io/v1
kind: CertificateSigningRequest
metadata:
  name: ${CSR}
spec:
  signerName: kubernetes.io/kube-apiserver-client
  expirationSeconds: 86400
  request: $(cat user2.csr | base64 | tr -d '\n')
  usages: ['digital signature', 'key encipherment',
    'client auth']
REQUEST

kubectl get csr "${CSR}"

# Administrator (approver): approve the request.
kubectl certificate approve "${CSR}"

# An approved request cannot be denied any more.
refused 'is already Approved' kubectl certificate deny "${CSR}"

# A denied request is not signed.
kubectl apply -f - <<REQUEST
apiVersion: certificates.k8s.io/v1
kind: CertificateSigningRequest
metadata:
  name: ${CSR}-denied
spec:
  signerName: kubernetes.io/kube-apiserver-client
  request: $(cat user2.csr | base64 | tr -d '\n')
  usages: ['client auth']
REQUEST

kubectl certificate deny "${CSR}-denied"

kubectl get csr "${CSR}-denied" -o json | jq '{conditions: [.status.conditions[].type], certificate: .status.certificate}'

# Administrator: read the signed certificate from the API.
kubectl get csr "${CSR}" -o jsonpath='{.status.certificate}' | \
base64 --decode > user2.crt

# The signer works asynchronously: repeat until the certificate is there.
for _ in {1..300}; do
  [[ -s user2.crt ]] && break
  kubectl get csr "${CSR}" -o jsonpath='{.status.certificate}' | base64 --decode > user2.crt
done

openssl x509 -in user2.crt -noout -subject -issuer -ext extendedKeyUsage

# User: present the certificate with kubectl's options, or store it in the kubeconfig.
kubectl --client-key=user2.key --client-certificate=user2.crt get nodes

kubectl config set-credentials user2 --client-key user2.key --client-certificate user2.crt --embed-certs

kubectl config set-context user2 --cluster demo-rbac --user user2

kubectl --context=user2 auth whoami -o json | jq .status.userInfo

# user2 may not approve requests. Approval is as good as an identity: the requester chose the name in the request.
refused 'User "user2" cannot get resource "certificatesigningrequests"' kubectl --context=user2 certificate approve "${CSR}"

# The signer refuses one group altogether: no certificate makes its holder a member of system:masters.
openssl req -new -key user2.key -out masters.csr -subj "/CN=user2/O=system:masters"

refused 'system:masters group is not allowed' kubectl apply -f - <<REQUEST
apiVersion: certificates.k8s.io/v1
kind: CertificateSigningRequest
metadata:
  name: ${CSR}-masters
spec:
  signerName: kubernetes.io/kube-apiserver-client
  request: $(cat masters.csr | base64 | tr -d '\n')
  usages: ['client auth']
REQUEST
