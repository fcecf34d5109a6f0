// Package testpki makes keys and certificates for tests of TLS: good ones, and ones that
// must not be accepted. All files are of mode 0600.
package testpki

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// An Authority signs certificates that are good for an hour.
type Authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

// NewAuthority makes one with a key of its own.
func NewAuthority() (*Authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	a := &Authority{key: key, certificate: template("drover test authority")}
	a.certificate.IsCA, a.certificate.BasicConstraintsValid = true, true
	a.certificate.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature
	raw, err := x509.CreateCertificate(rand.Reader, a.certificate, a.certificate, key.Public(), key)
	if err != nil {
		return nil, err
	}
	a.certificate, err = x509.ParseCertificate(raw)
	return a, err
}

func template(name string) *x509.Certificate {
	now := time.Now()
	return &x509.Certificate{
		SerialNumber: big.NewInt(now.UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour),
	}
}

// Write puts the authority's certificate into the folder, for the side that checks others.
func (a *Authority) Write(dir string) error {
	return writePEM(filepath.Join(dir, "ca-cert.pem"), "CERTIFICATE", a.certificate.Raw)
}

// A Flaw is what a certificate has that should not be accepted.
type Flaw string

// Flaws of certificates.
const (
	Flawless Flaw = ""
	Foreign  Flaw = "foreign" // signed by somebody else who goes by the authority's name
	Expired  Flaw = "expired" // good until an hour ago
)

// Issue writes a key and its certificate as QEMU looks for them: role is server or
// client. A host that is an address is certified as one.
func (a *Authority) Issue(dir, role, name string, with Flaw) error {
	if with == Foreign {
		var err error
		if a, err = NewAuthority(); err != nil {
			return err
		}
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	c := template(name)
	if with == Expired {
		c.NotBefore, c.NotAfter = c.NotBefore.Add(-time.Hour), c.NotBefore
	}
	c.KeyUsage = x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment // 5.2 wants both
	c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	if role == "server" {
		c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	}
	if ip := net.ParseIP(name); ip != nil {
		c.IPAddresses = []net.IP{ip}
	} else {
		c.DNSNames = []string{name}
	}
	raw, err := x509.CreateCertificate(rand.Reader, c, a.certificate, key.Public(), a.key)
	if err != nil {
		return err
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	if err := writePEM(filepath.Join(dir, role+"-key.pem"), "PRIVATE KEY", secret); err != nil {
		return err
	}
	return writePEM(filepath.Join(dir, role+"-cert.pem"), "CERTIFICATE", raw)
}

// group14 is the prime of the 2048-bit MODP group (RFC 3526, section 3); its
// generator is 2.
const group14 = `FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74020BBEA63B139B22
514A08798E3404DDEF9519B3CD3A431B302B0A6DF25F14374FE1356D6D51C245E485B576625E7EC6F44C42E9A637ED6B
0BFF5CB6F406B7EDEE386BFB5A899FA5AE9F24117C4B1FE649286651ECE45B3DC2007CB8A163BF0598DA48361C55D39A
69163FA8FD24CF5F83655D23DCA3AD961C62F356208552BB9ED529077096966D670C354E4ABC9804F1746C08CA18217C
32905E462E36CE3BE39E772C180E86039B2783A2EC07A28FB5C55DF06F4C52C9DE2BCBF6955817183995497CEA956AE5
15D2261898FA051015728E5A8AACAA68FFFFFFFFFFFFFFFF`

// WriteGroup writes parameters for Diffie-Hellman (PKCS #3). A QEMU that finds none
// may make some, which takes it many seconds.
func WriteGroup(dir string) error {
	prime, ok := new(big.Int).SetString(strings.ReplaceAll(group14, "\n", ""), 16)
	if !ok {
		return errors.New("the group's prime is no number")
	}
	raw, err := asn1.Marshal(struct{ P, G *big.Int }{prime, big.NewInt(2)})
	if err != nil {
		return err
	}
	return writePEM(filepath.Join(dir, "dh-params.pem"), "DH PARAMETERS", raw)
}

func writePEM(path, kind string, content []byte) error {
	return os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: content}), 0o600)
}
