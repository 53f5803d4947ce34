package azure

import (
	"bytes"
	"crypto/rand"
	"crypto/sha1"
	"encoding/hex"
	"fmt"
	"strings"
)

// GUID is an Entra or ARM identifier. Its zero value is the nil GUID, which Azure uses for "all principals".
type GUID [16]byte

// PrincipalID is the object id of a principal in Entra: what a role assignment names. It is never a client id.
type PrincipalID = GUID

// ParseGUID reads a GUID with or without dashes, in any case, as Azure prints both forms.
func ParseGUID(s string) (GUID, error) {
	var g GUID
	var digits [32]byte
	n := 0
	switch len(s) {
	case 32:
		n = copy(digits[:], s)
	case 36:
		for i := 0; i < len(s); i++ {
			if dash := i == 8 || i == 13 || i == 18 || i == 23; dash != (s[i] == '-') {
				return GUID{}, fmt.Errorf("%q is not a GUID", s)
			} else if !dash {
				digits[n] = s[i]
				n++
			}
		}
	}
	if n != 32 {
		return GUID{}, fmt.Errorf("%q is not a GUID", clip(s))
	}
	if _, err := hex.Decode(g[:], digits[:]); err != nil {
		return GUID{}, fmt.Errorf("%q is not a GUID", s)
	}
	return g, nil
}

// MustGUID is ParseGUID for constants; it panics on anything else.
func MustGUID(s string) GUID {
	g, err := ParseGUID(s)
	if err != nil {
		panic(err)
	}
	return g
}

// NewGUID returns a random (version 4) GUID.
func NewGUID() GUID {
	var g GUID
	_, _ = rand.Read(g[:]) // crypto/rand never fails
	g[6] = g[6]&0x0f | 0x40
	g[8] = g[8]&0x3f | 0x80
	return g
}

// TemplateNamespace is what guid() of an ARM template hashes its arguments in.
var TemplateNamespace = MustGUID("11fb06fb-712d-4ddd-98c7-e71bbd588830")

// NamedGUID is what guid() of an ARM template makes of its arguments: the version 5 GUID (RFC 9562) of them, joined by
// dashes. Terraform's uuidv5 of the same namespace and text is the same.
func NamedGUID(parts ...string) GUID {
	h := sha1.New()
	h.Write(TemplateNamespace[:])
	h.Write([]byte(strings.Join(parts, "-")))
	var g GUID
	copy(g[:], h.Sum(nil))
	g[6] = g[6]&0x0f | 0x50
	g[8] = g[8]&0x3f | 0x80
	return g
}

// IsZero reports whether g is the nil GUID.
func (g GUID) IsZero() bool { return g == GUID{} }

// Compare orders GUIDs as their texts are ordered.
func (g GUID) Compare(other GUID) int { return bytes.Compare(g[:], other[:]) }

// Hex is the form without dashes, which some Azure messages print.
func (g GUID) Hex() string { return hex.EncodeToString(g[:]) }

func (g GUID) String() string {
	var b [36]byte
	hex.Encode(b[0:8], g[0:4])
	hex.Encode(b[9:13], g[4:6])
	hex.Encode(b[14:18], g[6:8])
	hex.Encode(b[19:23], g[8:10])
	hex.Encode(b[24:36], g[10:16])
	b[8], b[13], b[18], b[23] = '-', '-', '-', '-'
	return string(b[:])
}

// MarshalText prints the form with dashes.
func (g GUID) MarshalText() ([]byte, error) { return []byte(g.String()), nil }

// UnmarshalText reads what ParseGUID reads; an empty text is the nil GUID.
func (g *GUID) UnmarshalText(b []byte) error {
	if len(b) == 0 {
		*g = GUID{}
		return nil
	}
	v, err := ParseGUID(string(b))
	if err == nil {
		*g = v
	}
	return err
}

// clip bounds a hostile text for an error message.
func clip(s string) string {
	if len(s) > 200 {
		return s[:200] + "…"
	}
	return s
}
