package entra

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/go-jose/go-jose/v4"
)

const (
	keyFile = "entra.key" // PKCS #8, PEM
	keyType = "PRIVATE KEY"
	keyBits = 2048 // as Entra's own
)

// key signs the tenant's tokens.
type key struct {
	id     string // of the public key: the SHA-256 of its PKIX form
	public *rsa.PublicKey
	signer jose.Signer
	set    []byte // the JWKS document
}

// openKey reads the key of a data folder, or makes it.
func openKey(dir string) (*key, error) {
	path := filepath.Join(dir, keyFile)
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		text, err = createKey(path)
	}
	if err != nil {
		return nil, fmt.Errorf("signing key: %w", err)
	}
	k, err := parseKey(text)
	if err != nil {
		return nil, fmt.Errorf("signing key %s: %w", path, err)
	}
	return k, nil
}

// createKey writes a new key in one step: a crash leaves none rather than half of one.
func createKey(path string) ([]byte, error) {
	private, err := rsa.GenerateKey(rand.Reader, keyBits)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return nil, err
	}
	f, err := os.CreateTemp(filepath.Dir(path), keyFile+".*") // 0600
	if err != nil {
		return nil, err
	}
	defer os.Remove(f.Name()) // after the rename there is nothing left to remove
	text := pem.EncodeToMemory(&pem.Block{Type: keyType, Bytes: der})
	_, err = f.Write(text)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return nil, err
	}
	return text, os.Rename(f.Name(), path)
}

func parseKey(text []byte) (*key, error) {
	block, _ := pem.Decode(text)
	if block == nil || block.Type != keyType {
		return nil, errors.New("not a PEM private key")
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, err
	}
	private, ok := parsed.(*rsa.PrivateKey)
	if !ok || private.N.BitLen() < keyBits {
		return nil, fmt.Errorf("not an RSA key of at least %d bits", keyBits)
	}
	return newKey(private)
}

func newKey(private *rsa.PrivateKey) (*key, error) {
	der, err := x509.MarshalPKIXPublicKey(&private.PublicKey)
	if err != nil {
		return nil, err
	}
	print := sha256.Sum256(der) // as kube-apiserver names the keys that it signs with
	jwk := jose.JSONWebKey{Key: &private.PublicKey, Algorithm: string(jose.RS256), Use: "sig", KeyID: base64.RawURLEncoding.EncodeToString(print[:])}
	set, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{jwk}})
	if err != nil {
		return nil, err
	}
	signer, err := jose.NewSigner(
		jose.SigningKey{Algorithm: jose.RS256, Key: jose.JSONWebKey{Key: private, KeyID: jwk.KeyID}},
		(&jose.SignerOptions{}).WithType("JWT"))
	return &key{id: jwk.KeyID, public: &private.PublicKey, signer: signer, set: set}, err
}

// sign makes a JWT of a payload.
func (k *key) sign(payload []byte) (string, error) {
	signed, err := k.signer.Sign(payload)
	if err != nil {
		return "", err
	}
	return signed.CompactSerialize()
}

// open returns the payload of a JWT that this key signed with RS256, and of nothing else.
func (k *key) open(token string) ([]byte, error) {
	signed, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.RS256})
	if err != nil {
		return nil, err
	}
	if signed.Signatures[0].Header.KeyID != k.id {
		return nil, errors.New("unknown key")
	}
	return signed.Verify(k.public)
}
