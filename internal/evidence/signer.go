package evidence

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/crypto/ssh"
)

// Key is a private SSH key.
type Key = ssh.Signer

// ErrPassphrase says that a key is encrypted.
var ErrPassphrase = errors.New("the key is encrypted")

// ParseKey reads a private SSH key. An encrypted one takes a passphrase; without it the error is ErrPassphrase.
func ParseKey(text, passphrase []byte) (ssh.Signer, error) {
	if passphrase != nil {
		return ssh.ParsePrivateKeyWithPassphrase(text, passphrase)
	}
	key, err := ssh.ParsePrivateKey(text)
	if errors.As(err, new(*ssh.PassphraseMissingError)) {
		return nil, ErrPassphrase
	}
	if err != nil {
		return nil, errors.New("it is no private SSH key, as ssh-keygen -t ed25519 makes one")
	}
	return key, nil
}

// Signers are those whose signature counts.
type Signers []signer

type signer struct {
	who string // "" where the file holds a key alone
	key ssh.PublicKey
}

// ParseSigners reads a public key, as id_ed25519.pub, or an allowed_signers file (ssh-keygen: ALLOWED SIGNERS). Lines whose
// options name other namespaces, or that are about certificates, do not count.
func ParseSigners(text []byte) (Signers, error) {
	var out Signers
	for n, line := range strings.Split(string(text), "\n") {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		s, ok, err := parseSigner(line)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", n+1, err)
		}
		if ok {
			out = append(out, s)
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("it holds no key for %s", Namespace)
	}
	return out, nil
}

func parseSigner(line string) (s signer, counts bool, err error) {
	if key, _, options, _, err := ssh.ParseAuthorizedKey([]byte(line)); err == nil && len(options) == 0 {
		return signer{"", key}, true, nil
	}
	who, rest, _ := strings.Cut(line, " ")
	key, _, options, _, err := ssh.ParseAuthorizedKey([]byte(strings.TrimSpace(rest)))
	if err != nil {
		return s, false, errors.New("it is neither a public key nor an allowed signer")
	}
	for _, o := range options {
		name, value, _ := strings.Cut(o, "=")
		switch strings.ToLower(name) {
		case "cert-authority":
			return s, false, nil
		case "namespaces":
			if !namespaceIn(strings.Trim(value, `"`)) {
				return s, false, nil
			}
		}
	}
	return signer{who, key}, true, nil
}

func namespaceIn(list string) bool {
	for _, n := range strings.Split(list, ",") {
		if n == Namespace || n == "*" {
			return true
		}
	}
	return false
}

// find says who of the signers has a key.
func (s Signers) find(key ssh.PublicKey) (who string, ok bool) {
	for _, x := range s {
		if bytes.Equal(x.key.Marshal(), key.Marshal()) {
			return x.who, true
		}
	}
	return "", false
}
