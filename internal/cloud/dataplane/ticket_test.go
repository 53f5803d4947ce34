package dataplane

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestParseScope(t *testing.T) {
	for _, c := range []struct {
		text string
		want scope
		ok   bool
	}{
		{"repository:team/app:pull,push", scope{"repository", "team/app", []string{"pull", "push"}}, true},
		{"registry:catalog:*", scope{"registry", "catalog", []string{"*"}}, true},
		{"repository:host:5000/app:pull", scope{"repository", "host:5000/app", []string{"pull"}}, true},
		{"repository:app", scope{}, false},
		{"repository::pull", scope{}, false},
		{"repository:app:", scope{}, false},
		{"artifact-repository:app:pull", scope{}, false},
		{"", scope{}, false},
	} {
		got, ok := parseScope(c.text)
		if ok != c.ok || ok && (got.String() != c.text || got.Type != c.want.Type || got.Name != c.want.Name || len(got.Actions) != len(c.want.Actions)) {
			t.Errorf("%q: %+v, %v", c.text, got, ok)
		}
	}
}

func FuzzScope(f *testing.F) {
	f.Add("repository:team/app:pull,push")
	f.Fuzz(func(t *testing.T, text string) {
		if s, ok := parseScope(text); ok && s.String() != text {
			t.Errorf("%q is read as %q", text, s)
		}
	})
}

func TestTicketCovers(t *testing.T) {
	have := ticket{Access: []scope{{"repository", "app", []string{"pull", "push"}}, {"registry", "catalog", []string{"*"}}}}
	for want, ok := range map[string]bool{
		"repository:app:pull": true, "repository:app:push,pull": true, "repository:app:delete": false, "repository:app:pull,delete": false,
		"repository:ap:pull": false, "repository:app/x:pull": false, "registry:catalog:*": true, "registry:app:pull": false,
	} {
		s, _ := parseScope(want)
		if have.covers(s) != ok {
			t.Errorf("%s is covered: %v", want, !ok)
		}
	}
}

func TestSigner(t *testing.T) {
	dir := t.TempDir()
	one, err := openSigner(dir)
	if err != nil {
		t.Fatal(err)
	}
	token := one.sign(ticket{Subject: "s", Kind: "access_token", Expiry: 7})
	again, err := openSigner(dir)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := again.open(token); err != nil || got.Subject != "s" || got.Expiry != 7 {
		t.Errorf("%+v, %v", got, err)
	}
	other, err := openSigner(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	header, rest, _ := strings.Cut(token, ".")
	payload, signature, _ := strings.Cut(rest, ".")
	for name, forged := range map[string]string{
		"of another key": other.sign(ticket{Subject: "s"}), "changed": header + "." + payload + "x." + signature, "unsigned": "eyJhbGciOiJub25lIn0." + payload + ".",
		"cut": header + "." + payload, "empty": "", "long": strings.Repeat("x", 1<<20),
	} {
		if got, err := again.open(forged); err == nil {
			t.Errorf("a token %s is accepted: %+v", name, got)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "registry.key"), []byte("short"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := openSigner(dir); err == nil || !strings.Contains(err.Error(), "is damaged") {
		t.Errorf("a damaged key: %v", err)
	}
}

func TestSealer(t *testing.T) {
	dir := t.TempDir()
	s, err := openSealer(dir)
	if err != nil {
		t.Fatal(err)
	}
	sealed := s.seal("here", []byte("value"))
	again, err := openSealer(dir)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := again.open("here", sealed); err != nil || string(got) != "value" {
		t.Errorf("%q, %v", got, err)
	}
	changed := append([]byte(nil), sealed...)
	changed[len(changed)-1] ^= 1
	for name, open := range map[string]func() ([]byte, error){
		"from another place": func() ([]byte, error) { return s.open("there", sealed) },
		"changed":            func() ([]byte, error) { return s.open("here", changed) },
		"cut":                func() ([]byte, error) { return s.open("here", sealed[:5]) },
	} {
		if got, err := open(); err == nil {
			t.Errorf("a value %s is opened: %q", name, got)
		}
	}
	if string(s.seal("here", []byte("value"))) == string(sealed) {
		t.Error("the same value looks the same twice")
	}
}

func TestScopeMap(t *testing.T) {
	actions := []string{"repositories/team/*/content/read", "repositories/app/content/write", "repositories/app/metadata/read", "repositories/*/content/delete", "gateway/x/config/read", "nonsense"}
	for _, c := range []struct {
		kind, name, action string
		want               bool
	}{
		{"repository", "team/app", "pull", true}, {"repository", "team", "pull", false}, {"repository", "teams/app", "pull", false},
		{"repository", "app", "push", true}, {"repository", "app", "pull", false}, {"repository", "app", "metadata_read", true},
		{"repository", "anything", "delete", true}, {"repository", "app", "metadata_write", false}, {"repository", "app", "*", false},
		{"registry", "catalog", "*", false}, {"registry", "app", "push", false},
	} {
		if got := scopeMapAllows(actions, c.kind, c.name, c.action); got != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
}
