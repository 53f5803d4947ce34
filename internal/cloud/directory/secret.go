package directory

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"time"

	"aksid/internal/azure"
	"aksid/internal/cloud/store"
)

// Secret is a client secret, kept as a salted hash only.
type Secret struct {
	ID    azure.GUID `json:"id"`
	Name  string     `json:"name,omitempty"` // displayName
	Hint  string     `json:"hint"`           // the first three characters, as Entra shows them
	Salt  []byte     `json:"salt"`
	Hash  []byte     `json:"hash"`
	From  time.Time  `json:"from"`
	Until time.Time  `json:"until"`
}

// Why a secret is not accepted.
var (
	ErrSecretWrong   = errors.New("wrong client secret")
	ErrSecretExpired = errors.New("expired client secret")
)

// The form of Entra's own secrets: three characters, a digit, "Q~", then letters, digits and -_.~ up to 40 characters.
// The first characters are letters and digits alone, so that no shell and no option parser takes them for its own.
const (
	secretStart = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
	secretRest  = secretStart + "-_.~"
	secretLen   = 40
	secretMark  = "8Q~"
	hintLen     = 3
)

// NewSecret makes a random secret of 220 bits, valid from From to before Until. The text is returned once and kept nowhere.
func NewSecret(name string, from, until time.Time) (text string, s Secret) {
	text = random(secretStart, hintLen) + secretMark + random(secretRest, secretLen-hintLen-len(secretMark))
	salt := make([]byte, 16)
	_, _ = rand.Read(salt) // crypto/rand never fails
	return text, Secret{
		ID: azure.NewGUID(), Name: name, Hint: text[:hintLen],
		Salt: salt, Hash: hashSecret(salt, text), From: from, Until: until,
	}
}

// AddSecret gives a principal a new secret.
func AddSecret(tx store.Tx, id azure.PrincipalID, name string, from, until time.Time) (secret string, s Secret, err error) {
	p, err := Get(tx, id)
	if err != nil {
		return "", Secret{}, err
	}
	secret, s = NewSecret(name, from, until)
	p.Secrets = append(p.Secrets, s)
	return secret, s, Put(tx, p)
}

// CheckSecret reports nil, ErrSecretExpired or ErrSecretWrong, which is also the answer before a secret's From.
func (p Principal) CheckSecret(secret string, now time.Time) error {
	_, err := findSecret(p.Secrets, secret, now)
	return err
}

// Secret is which secret a text is; errors as of CheckSecret.
func (c Credentials) Secret(text string, now time.Time) (Secret, error) {
	return findSecret(c.Secrets, text, now)
}

// Good reports whether a secret that was accepted once still is: ErrSecretWrong where it was removed.
func (c Credentials) Good(id azure.GUID, now time.Time) error {
	for _, s := range c.Secrets {
		if s.ID == id {
			return s.at(now)
		}
	}
	return ErrSecretWrong
}

func findSecret(all []Secret, text string, now time.Time) (Secret, error) {
	found, err := Secret{}, ErrSecretWrong
	for _, s := range all {
		if !hmac.Equal(s.Hash, hashSecret(s.Salt, text)) {
			continue
		}
		if e := s.at(now); e == nil {
			return s, nil
		} else if e == ErrSecretExpired {
			found, err = s, e
		}
	}
	return found, err
}

// at judges a secret's times.
func (s Secret) at(now time.Time) error {
	switch {
	case now.Before(s.From):
		return ErrSecretWrong
	case !now.Before(s.Until):
		return ErrSecretExpired
	}
	return nil
}

// hashSecret is fast on purpose: slow hashes protect guessable passwords, and these secrets are 220 random bits.
// A slow one would only cost every token request.
func hashSecret(salt []byte, secret string) []byte {
	h := hmac.New(sha256.New, salt)
	h.Write([]byte(secret))
	return h.Sum(nil)
}

// random draws n characters of an alphabet without bias.
func random(alphabet string, n int) string {
	limit := 256 - 256%len(alphabet)
	out, b := make([]byte, 0, n), make([]byte, 2*n)
	for len(out) < n {
		_, _ = rand.Read(b) // crypto/rand never fails
		for _, v := range b {
			if int(v) < limit && len(out) < n {
				out = append(out, alphabet[int(v)%len(alphabet)])
			}
		}
	}
	return string(out)
}
