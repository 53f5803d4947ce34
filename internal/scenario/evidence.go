package scenario

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/crypto/ssh"
)

// sshKey makes a key pair in the stage's folder, as ssh-keygen does: NAME and NAME.pub.
func (s *Stage) sshKey(name string) error {
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		return err
	}
	block, err := ssh.MarshalPrivateKey(private, name)
	if err != nil {
		return err
	}
	line, err := ssh.NewPublicKey(public)
	if err != nil {
		return err
	}
	path := filepath.Join(s.Folder, name)
	if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
		return err
	}
	return os.WriteFile(path+".pub", ssh.MarshalAuthorizedKey(line), 0o600)
}

// evidence writes a bundle as somebody who may only read, has it verified, and says how long that took and how many clusters
// it is about that have neither an error nor a warning.
func (s *Stage) evidence(ctx context.Context, by *person, bundle string, args ...string) (took time.Duration, good int, err error) {
	key, path := filepath.Join(s.Folder, "review"), filepath.Join(s.Folder, bundle)
	if err := s.sshKey("review"); err != nil {
		return 0, 0, err
	}
	began := s.Now()
	if _, err := s.aksid(ctx, run{as: by, args: append(append([]string{"evidence"}, args...), "--sign", key, "-o", path)}); err != nil {
		return 0, 0, err
	}
	took = s.Now().Sub(began)
	if _, err := s.aksid(ctx, run{args: []string{"evidence", "verify", path, "--signer", key + ".pub"}}); err != nil {
		return 0, 0, err
	}
	good, err = goodIn(filepath.Join(path, "check", "report.json"))
	return took, good, err
}

// goodIn counts the clusters of a report that have all their identities, and neither an error nor a warning.
func goodIn(report string) (int, error) {
	b, err := os.ReadFile(report)
	if err != nil {
		return 0, err
	}
	var r struct {
		Complete bool
		Clusters []struct {
			Identities []json.RawMessage
			Findings   []struct{ Severity string }
		}
	}
	if err := json.Unmarshal(b, &r); err != nil {
		return 0, err
	}
	if !r.Complete {
		return 0, fmt.Errorf("%s is not complete", report)
	}
	good := 0
	for _, c := range r.Clusters {
		bad := len(c.Identities) < 2
		for _, f := range c.Findings {
			bad = bad || f.Severity != "note"
		}
		if !bad {
			good++
		}
	}
	return good, nil
}
