#!/usr/bin/env bash
# shellcheck source=scripts/begin.sh disable=SC2002
. "$(dirname "${BASH_SOURCE[0]}")/begin.sh"

# Client certificates, signed by the cluster
#
# The key of the authority stays where it is. user2 asks for a certificate with an object of the API,
# somebody approves it, and the cluster's signer signs.

needs openssl "make user2's key and request, and read the certificate"

needs jq "show who the API server takes user2 for"

# A signing request has no namespace: this name is one that nobody else has.
CSR="user2-${WALK_ID}"

temporary "csr/${CSR}" "csr/${CSR}-denied"

# User: generate user private key (if not exist).
openssl genrsa -out user2.key 2048

# User: generate user CSR.
openssl req -new -key user2.key -out user2.csr -subj "/CN=user2/O=group1/O=group2"

# Admin: use Kubernetes API server to sign the CSR. The article is from the days of v1beta1, which went with Kubernetes 1.22.
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

# The version alone is not enough: v1 wants to know which signer is meant.
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

# This one is for client certificates that the API server accepts. The certificate may be asked for a short life, too.
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

# Admin (approver): approve or deny the CSR in the Kubernetes API.
kubectl certificate approve "${CSR}"

# One of the two, and for good.
refused 'is already Approved' kubectl certificate deny "${CSR}"

# What is denied is not signed.
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

# Admin: extract the approved and signed certificate from the Kubernetes API.
kubectl get csr "${CSR}" -o jsonpath='{.status.certificate}' | \
base64 --decode > user2.crt

# The signer works on its own, and what was approved has its certificate a moment later: so ask until it is there.
for _ in {1..300}; do
  [[ -s user2.crt ]] && break
  kubectl get csr "${CSR}" -o jsonpath='{.status.certificate}' | base64 --decode > user2.crt
done

openssl x509 -in user2.crt -noout -subject -issuer -ext extendedKeyUsage

# User: use with kubectl via options or kubeconfig.
kubectl --client-key=user2.key --client-certificate=user2.crt get nodes

kubectl config set-credentials user2 --client-key user2.key --client-certificate user2.crt --embed-certs

kubectl config set-context user2 --cluster demo-rbac --user user2

kubectl --context=user2 auth whoami -o json | jq .status.userInfo

# user2 cannot approve for anybody: whoever may approve for this signer decides who people are.
refused 'User "user2" cannot get resource "certificatesigningrequests"' kubectl --context=user2 certificate approve "${CSR}"
