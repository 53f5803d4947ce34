package dataplane

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"hash"
	"math/big"
	"slices"
	"strings"

	"aksid/internal/azure"
	"aksid/internal/cloud/store"
)

// keyOps are what a key can be used for unless a request says less; only the last four are served.
var keyOps = []string{"sign", "verify", "encrypt", "decrypt", "wrapKey", "unwrapKey"}

// jwk is a public RSA key (RFC 7517), as Key Vault writes it.
type jwk struct {
	ID  string   `json:"kid,omitempty"`
	Kty string   `json:"kty"`
	Ops []string `json:"key_ops"`
	N   string   `json:"n"`
	E   string   `json:"e"`
}

// newKey is what a request says of a key to be made.
type newKey struct {
	settings
	Kty     string
	KeySize int      `json:"key_size"`
	Ops     []string `json:"key_ops"`

	private *rsa.PrivateKey
}

// generateKey makes the key pair: it takes longer than a transaction may.
func (c *vaultCall) generateKey() error {
	in := &newKey{KeySize: 2048, Ops: keyOps}
	if err := c.decode(in); err != nil {
		return err
	}
	if !strings.EqualFold(in.Kty, "RSA") && !strings.EqualFold(in.Kty, "RSA-HSM") {
		return badParameter("The local Azure makes keys of type RSA and RSA-HSM, not " + in.Kty)
	}
	if !slices.Contains([]int{2048, 3072, 4096}, in.KeySize) {
		return badParameter("key_size must be 2048, 3072 or 4096")
	}
	for _, op := range in.Ops {
		if !slices.Contains(keyOps, op) {
			return badParameter("key_ops has an unknown operation: " + op)
		}
	}
	var err error
	in.private, err = rsa.GenerateKey(rand.Reader, in.KeySize)
	c.made = in
	return err
}

// createKey makes a new version.
func (c *vaultCall) createKey(tx store.Tx) (any, error) {
	in := c.made.(*newKey)
	exponent := big.NewInt(int64(in.private.E)).Bytes()
	public, err := json.Marshal(jwk{Kty: strings.ToUpper(in.Kty), Ops: in.Ops, N: base64.RawURLEncoding.EncodeToString(in.private.N.Bytes()),
		E: base64.RawURLEncoding.EncodeToString(exponent)})
	if err != nil {
		return nil, err
	}
	private, err := x509.MarshalPKCS8PrivateKey(in.private)
	if err != nil {
		return nil, err
	}
	v := &objectVersion{Enabled: true, Public: public}
	in.apply(v)
	if err := c.add(tx, v, private); err != nil {
		return nil, err
	}
	return c.shown(v), nil
}

func (c *vaultCall) getKey(tx store.Tx) (any, error) {
	v, err := c.asked(tx)
	if err != nil {
		return nil, err
	}
	return c.shown(v), nil
}

func viewKey(c *vaultCall, v *objectVersion) object {
	var public jwk
	_ = json.Unmarshal(v.Public, &public) // written by createKey
	public.ID = c.url("keys", v.Name, v.Version)
	return object{"key": public}
}

// digests are the algorithms that are served, by their hash functions. RSA1_5 is left out: it is not safe.
var digests = map[string]func() hash.Hash{"RSA-OAEP": sha1.New, "RSA-OAEP-256": sha256.New}

// keyUse is a key and the data that it is used on.
type keyUse struct {
	version   *objectVersion
	private   *rsa.PrivateKey
	algorithm string
	data      []byte
}

// use opens a key for the operation that was asked for.
func (c *vaultCall) use(tx store.Tx) (*keyUse, error) {
	var in struct{ Alg, Value string }
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	if digests[in.Alg] == nil {
		return nil, badParameter("The algorithm " + in.Alg + " is not supported")
	}
	data, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(in.Value, "="))
	if err != nil {
		return nil, badParameter("The value is not base64url")
	}
	v, err := c.asked(tx)
	if err != nil {
		return nil, err
	}
	var public jwk
	if err := json.Unmarshal(v.Public, &public); err != nil {
		return nil, err
	}
	switch {
	case !v.Enabled:
		return nil, azure.VaultKeyDisabled.Format(azure.Fields{"operation": c.op.permission})
	case !slices.Contains(public.Ops, c.op.permission):
		return nil, azure.VaultKeyOperation.Format(azure.Fields{"operation": c.op.permission})
	}
	private, err := c.private(v)
	return &keyUse{v, private, in.Alg, data}, err
}

func (c *vaultCall) private(v *objectVersion) (*rsa.PrivateKey, error) {
	der, err := c.material(v)
	if err != nil {
		return nil, err
	}
	key, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, err
	}
	return key.(*rsa.PrivateKey), nil
}

// encrypt serves encrypt and wrapkey.
func (c *vaultCall) encrypt(tx store.Tx) (any, error) {
	u, err := c.use(tx)
	if err != nil {
		return nil, err
	}
	out, err := rsa.EncryptOAEP(digests[u.algorithm](), rand.Reader, &u.private.PublicKey, u.data, nil)
	return c.operated(u.version, out, err)
}

// decrypt serves decrypt and unwrapkey.
func (c *vaultCall) decrypt(tx store.Tx) (any, error) {
	u, err := c.use(tx)
	if err != nil {
		return nil, err
	}
	out, err := rsa.DecryptOAEP(digests[u.algorithm](), nil, u.private, u.data, nil)
	return c.operated(u.version, out, err)
}

// operated is the answer of an operation; what the key cannot do with the data is the client's fault.
func (c *vaultCall) operated(v *objectVersion, out []byte, err error) (any, error) {
	if err != nil {
		return nil, badParameter("The parameter is incorrect.")
	}
	return object{"kid": c.url("keys", v.Name, v.Version), "value": base64.RawURLEncoding.EncodeToString(out)}, nil
}
