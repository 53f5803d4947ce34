package evidence

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/crypto/ssh"
)

// Signatures are those of ssh-keygen -Y sign (OpenSSH, PROTOCOL.sshsig): detached, made with a key that people have anyway, and
// verifiable without this program.

// Namespace is what a signature is for, so that one that was made for something else does not count.
const Namespace = "aksid-evidence"

const (
	sigMagic = "SSHSIG"
	sigType  = "SSH SIGNATURE"
	sigHash  = "sha512"
)

// sigBlob is what a signature holds, behind its magic.
type sigBlob struct {
	Version   uint32
	PublicKey []byte
	Namespace string
	Reserved  string
	Hash      string
	Signature []byte
}

// sigData is what is signed, behind the magic.
type sigData struct {
	Namespace string
	Reserved  string
	Hash      string
	Digest    []byte
}

// signs is what a signature is made of.
func (blob sigBlob) signs(message []byte) []byte {
	data := sigData{blob.Namespace, blob.Reserved, blob.Hash, nil}
	if blob.Hash == sigHash {
		digest := sha512.Sum512(message)
		data.Digest = digest[:]
	} else {
		digest := sha256.Sum256(message)
		data.Digest = digest[:]
	}
	return append([]byte(sigMagic), ssh.Marshal(data)...)
}

// Sign signs a manifest.
func Sign(key ssh.Signer, manifest []byte) (File, error) {
	blob := sigBlob{1, key.PublicKey().Marshal(), Namespace, "", sigHash, nil}
	sig, err := sign(key, blob.signs(manifest))
	if err != nil {
		return File{}, err
	}
	blob.Signature = ssh.Marshal(sig)
	return File{SignatureName, armor(append([]byte(sigMagic), ssh.Marshal(blob)...))}, nil
}

// sign never signs with SHA-1, which RSA keys do by default.
func sign(key ssh.Signer, data []byte) (*ssh.Signature, error) {
	if algo, ok := key.(ssh.AlgorithmSigner); ok && key.PublicKey().Type() == ssh.KeyAlgoRSA {
		return algo.SignWithAlgorithm(rand.Reader, data, ssh.KeyAlgoRSASHA512)
	}
	return key.Sign(rand.Reader, data)
}

// armor writes a signature in lines of 70 letters, as ssh-keygen does.
func armor(blob []byte) []byte {
	text := base64.StdEncoding.EncodeToString(blob)
	var b strings.Builder
	b.WriteString("-----BEGIN " + sigType + "-----\n")
	for len(text) > 0 {
		n := min(len(text), 70)
		b.WriteString(text[:n] + "\n")
		text = text[n:]
	}
	b.WriteString("-----END " + sigType + "-----\n")
	return []byte(b.String())
}

// checkSignature says whose key has signed a manifest, or why that cannot be said.
func checkSignature(armored, manifest []byte) (ssh.PublicKey, error) {
	block, rest := pem.Decode(armored)
	if block == nil || block.Type != sigType || len(bytes.TrimSpace(rest)) > 0 {
		return nil, errors.New("it is no SSH signature")
	}
	body, ok := bytes.CutPrefix(block.Bytes, []byte(sigMagic))
	var blob sigBlob
	if err := ssh.Unmarshal(body, &blob); !ok || err != nil || blob.Version != 1 {
		return nil, errors.New("it is no SSH signature of a form that is known")
	}
	if blob.Namespace != Namespace {
		return nil, fmt.Errorf("it was made for %q, not for %q", blob.Namespace, Namespace)
	}
	if blob.Hash != sigHash && blob.Hash != "sha256" {
		return nil, fmt.Errorf("its digest %q is not known", blob.Hash)
	}
	key, err := ssh.ParsePublicKey(blob.PublicKey)
	var sig ssh.Signature
	if err != nil || ssh.Unmarshal(blob.Signature, &sig) != nil || sig.Format == ssh.KeyAlgoRSA {
		return nil, errors.New("its key or signature is of a form that is not accepted")
	}
	if err := key.Verify(blob.signs(manifest), &sig); err != nil {
		return nil, errors.New("it does not fit the manifest, which was changed or replaced")
	}
	return key, nil
}
