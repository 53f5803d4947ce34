package directory

import (
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"time"
)

// ErrPasswordWrong is why a user is not let in.
var ErrPasswordWrong = errors.New("wrong password")

// Password of a user, kept as a salted hash that is slow to compute: people choose passwords that can be guessed.
type Password struct {
	Salt []byte    `json:"salt"`
	Hash []byte    `json:"hash"`
	Set  time.Time `json:"set"` // refresh tokens of before do not count
}

// rounds of PBKDF2 with HMAC-SHA-256 (OWASP password storage, 2023).
const rounds = 600_000

// NewPassword hashes a password.
func NewPassword(text string, now time.Time) *Password {
	salt := make([]byte, 16)
	_, _ = rand.Read(salt) // crypto/rand never fails
	return &Password{Salt: salt, Hash: hashPassword(salt, text), Set: now.UTC().Truncate(time.Second)}
}

// Check reports nil or ErrPasswordWrong; nobody has the password of a user without one.
func (p *Password) Check(text string) error {
	if p == nil || !hmac.Equal(p.Hash, hashPassword(p.Salt, text)) {
		return ErrPasswordWrong
	}
	return nil
}

func hashPassword(salt []byte, text string) []byte {
	h, err := pbkdf2.Key(sha256.New, text, salt, rounds, sha256.Size)
	if err != nil {
		panic(err) // of wrong parameters alone
	}
	return h
}
