package dataplane

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// sealer encrypts what must not lie open in the data folder, with a key that lies beside it, readable by its owner.
type sealer struct{ cipher.AEAD }

func openSealer(dir string) (sealer, error) {
	key, err := keyFile(filepath.Join(dir, "vault.key"), "the secrets in the vaults are lost with it")
	if err != nil {
		return sealer{}, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return sealer{}, err
	}
	aead, err := cipher.NewGCM(block)
	return sealer{aead}, err
}

// seal encrypts a value for one place, named by where.
func (s sealer) seal(where string, value []byte) []byte {
	nonce := make([]byte, s.NonceSize())
	_, _ = rand.Read(nonce) // crypto/rand never fails
	return s.Seal(nonce, nonce, value, []byte(where))
}

// open decrypts what was sealed for that place.
func (s sealer) open(where string, sealed []byte) ([]byte, error) {
	if len(sealed) < s.NonceSize() {
		return nil, errors.New("a sealed value is damaged")
	}
	return s.Open(nil, sealed[:s.NonceSize()], sealed[s.NonceSize():], []byte(where))
}

const keyBytes = 32

// keyFile reads a key of 256 bits, or makes it, readable by its owner only. lost says what a damaged key means.
func keyFile(path, lost string) ([]byte, error) {
	key, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		key = make([]byte, keyBytes)
		_, _ = rand.Read(key) // crypto/rand never fails
		return key, writeKey(path, key)
	}
	if err == nil && len(key) != keyBytes {
		err = fmt.Errorf("%s is damaged: %s", path, lost)
	}
	return key, err
}

// writeKey writes a key whole or not at all, and durably: what it will encrypt is durable too.
func writeKey(path string, key []byte) error {
	f, err := os.OpenFile(path+".new", os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(key)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return errors.Join(os.Rename(path+".new", path), syncDir(filepath.Dir(path)))
}

// same compares secrets without saying by its time how much of them is right.
func same(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }
