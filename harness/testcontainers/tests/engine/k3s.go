// A stand-in for k3s: it reads the same command line, writes a kubeconfig of the same form, and answers /readyz to its certificate.
// The first words of the AuthenticationConfiguration say what it does: "refuse" ends it, "slow" keeps it from becoming ready.
package main

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"
)

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "level=fatal", err)
		os.Exit(1)
	}
}

// issue signs a certificate for a new key; without a parent, it is an authority's.
func issue(name string, parent *tls.Certificate) tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(err)
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	check(err)
	template := &x509.Certificate{
		SerialNumber:          serial,
		Subject:               pkix.Name{CommonName: name},
		NotBefore:             time.Now().Add(-time.Minute),
		NotAfter:              time.Now().Add(time.Hour),
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
		IPAddresses:           []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	signer, above := any(key), template
	if parent == nil {
		template.IsCA, template.KeyUsage, template.ExtKeyUsage = true, x509.KeyUsageCertSign, nil
	} else {
		above, err = x509.ParseCertificate(parent.Certificate[0])
		check(err)
		signer = parent.PrivateKey
	}
	der, err := x509.CreateCertificate(rand.Reader, template, above, &key.PublicKey, signer)
	check(err)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// data returns a block of PEM in base64, as kubeconfigs hold it.
func data(label string, der []byte) string {
	return base64.StdEncoding.EncodeToString(pem.EncodeToMemory(&pem.Block{Type: label, Bytes: der}))
}

func main() {
	values := map[string]string{}
	flags := map[string]string{}
	for _, argument := range os.Args[1:] {
		name, value, _ := strings.Cut(strings.TrimPrefix(argument, "--"), "=")
		if name == "kube-apiserver-arg" {
			name, value, _ = strings.Cut(value, "=")
			flags[name] = value
		} else {
			values[name] = value
		}
	}
	status, err := os.Open("/proc/self/status")
	check(err)
	for lines := bufio.NewScanner(status); lines.Scan(); {
		if strings.HasPrefix(lines.Text(), "CapEff:") || strings.HasPrefix(lines.Text(), "NoNewPrivs:") {
			fmt.Fprintln(os.Stderr, strings.Join(strings.Fields(lines.Text()), " "))
		}
	}
	configuration, err := os.ReadFile(flags["authentication-config"])
	check(err)
	if strings.HasPrefix(string(configuration), "refuse") {
		fmt.Fprintln(os.Stderr, "level=fatal msg=\"apiserver exited: jwt[0].issuer.url: Required value\"")
		os.Exit(3)
	}

	authority := issue("k3s", nil)
	server, client := issue("kube-apiserver", &authority), issue("system:admin", &authority)
	key, err := x509.MarshalECPrivateKey(client.PrivateKey.(*ecdsa.PrivateKey))
	check(err)
	kubeconfig := fmt.Sprintf(`apiVersion: v1
clusters:
- cluster:
    certificate-authority-data: %s
    server: https://127.0.0.1:%s
  name: default
contexts:
- context:
    cluster: default
    user: default
  name: default
current-context: default
kind: Config
users:
- name: default
  user:
    client-certificate-data: %s
    client-key-data: %s
`, data("CERTIFICATE", authority.Certificate[0]), values["https-listen-port"],
		data("CERTIFICATE", client.Certificate[0]), data("EC PRIVATE KEY", key))
	check(os.MkdirAll(filepath.Dir(values["write-kubeconfig"]), 0o755))
	check(os.WriteFile(values["write-kubeconfig"], []byte(kubeconfig), 0o600))

	clients := x509.NewCertPool()
	certificate, err := x509.ParseCertificate(authority.Certificate[0])
	check(err)
	clients.AddCert(certificate)
	var asked atomic.Int32
	handler := http.HandlerFunc(func(answer http.ResponseWriter, request *http.Request) {
		switch {
		case request.URL.Path != "/readyz":
			answer.WriteHeader(http.StatusNotFound)
		case len(request.TLS.PeerCertificates) == 0:
			answer.WriteHeader(http.StatusUnauthorized)
		case asked.Add(1) < 3 || strings.HasPrefix(string(configuration), "slow"):
			answer.WriteHeader(http.StatusInternalServerError)
		default:
			fmt.Fprint(answer, "ok")
		}
	})
	listening := http.Server{
		Addr:    ":" + values["https-listen-port"],
		Handler: handler,
		TLSConfig: &tls.Config{
			Certificates: []tls.Certificate{server},
			ClientCAs:    clients,
			ClientAuth:   tls.VerifyClientCertIfGiven,
		},
	}
	fmt.Fprintln(os.Stderr, "level=info msg=\"Running kube-apiserver\"")
	check(listening.ListenAndServeTLS("", ""))
}
