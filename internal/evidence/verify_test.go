package evidence

import (
	"archive/zip"
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"encoding/pem"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
	"golang.org/x/tools/txtar"
)

func newKey(t *testing.T) ssh.Signer {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	s, err := ssh.NewSignerFromKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// signed is a bundle with its signature.
func signed(t *testing.T, key ssh.Signer) []File {
	t.Helper()
	files := makeBundle(t, input(t))
	sig, err := Sign(key, files[len(files)-1].Data)
	if err != nil {
		t.Fatal(err)
	}
	return append(files, sig)
}

func signersOf(t *testing.T, keys ...ssh.Signer) Signers {
	t.Helper()
	var b bytes.Buffer
	for _, k := range keys {
		b.WriteString("ops@example namespaces=\"" + Namespace + "\" ")
		b.Write(ssh.MarshalAuthorizedKey(k.PublicKey()))
	}
	s, err := ParseSigners(b.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// A bundle is read as it was written, from a folder and from an archive, which only its owner can read.
func TestWriteAndRead(t *testing.T) {
	key := newKey(t)
	files := signed(t, key)
	for _, name := range []string{"bundle", "new/bundle.zip"} {
		path := filepath.Join(t.TempDir(), name)
		if err := Write(path, files); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(path)
		if err != nil || info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s: %v, mode %v", name, err, info.Mode())
		}
		read, err := Read(path)
		if err != nil {
			t.Fatal(err)
		}
		v := Verify(read, signersOf(t, key))
		if len(v.Problems) != 0 || !v.Trusted || v.Signer != "ops@example" || v.Files != len(files)-2 || !v.CreatedAt.Equal(now) {
			t.Errorf("%s: %+v", name, v)
		}
		if err := Write(path, files); !errors.Is(err, ErrExists) {
			t.Errorf("%s was written over: %v", name, err)
		}
	}
}

// The same files make the same archive.
func TestSameArchive(t *testing.T) {
	in := input(t)
	in.Record = nil
	var archives [2]bytes.Buffer
	for i := range archives {
		if err := archive(&archives[i], makeBundle(t, in)); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(archives[0].Bytes(), archives[1].Bytes()) {
		t.Error("two archives of the same differ")
	}
}

// Whatever is done to a bundle is named.
func TestTampered(t *testing.T) {
	key, other := newKey(t), newKey(t)
	change := func(path, from, to string) func([]File) []File {
		return func(files []File) []File {
			for i, f := range files {
				if f.Path == path {
					files[i].Data = bytes.Replace(f.Data, []byte(from), []byte(to), 1)
				}
			}
			return files
		}
	}
	without := func(path string) func([]File) []File {
		return func(files []File) []File {
			return slices.DeleteFunc(files, func(f File) bool { return f.Path == path })
		}
	}
	for _, c := range []struct {
		name   string
		damage func([]File) []File
		want   []string // beginnings of the problems
	}{
		{"nothing", func(f []File) []File { return f }, nil},
		{"a file changed", change("roles/assignments.json", "Owner", "Reader"), []string{"roles/assignments.json was changed: its SHA-256 is "}},
		{"a file taken away", without("activity/changes.json"), []string{"activity/changes.json is missing"}},
		{"a file added", func(f []File) []File { return append(f, File{"roles/more.json", nil}) }, []string{"roles/more.json was added: "}},
		{"a file renamed", func(f []File) []File { f[0].Path = "other.json"; return f }, []string{"acceptances.json is missing", "other.json was added: "}},
		{"a name that steers a terminal", func(f []File) []File { return append(f, File{"\x1b[2J", nil}) }, []string{"\uFFFD[2J was added: "}},
		{"manifest and file changed", func(f []File) []File {
			f = change("acceptances.json", "over", "fine")(f)
			i := slices.IndexFunc(f, func(f File) bool { return f.Path == "acceptances.json" })
			old := makeBundle(t, input(t))[0].Data
			return change(ManifestName, sum(old), sum(f[i].Data))(f)
		}, []string{"manifest.json.sig: it does not fit the manifest, which was changed or replaced"}},
		{"no manifest", without(ManifestName), []string{"manifest.json is missing: it is no bundle, or no whole one"}},
		{"no signature", without(SignatureName), []string{"manifest.json.sig is missing: the bundle is not signed"}},
		{"another's signature", func(f []File) []File {
			sig, err := Sign(other, f[len(f)-2].Data)
			if err != nil {
				t.Fatal(err)
			}
			return append(without(SignatureName)(f), sig)
		}, []string{"manifest.json.sig: it was signed by SHA256:"}},
		{"rubbish as signature", func(f []File) []File { f[len(f)-1].Data = []byte("x"); return f }, []string{"manifest.json.sig: it is no SSH signature"}},
		{"rubbish as manifest", func(f []File) []File { f[len(f)-2].Data = []byte("[]"); return f }, []string{"manifest.json: it cannot be read: "}},
		{"a manifest of something else", func(f []File) []File { f[len(f)-2].Data = []byte("{}"); return f }, []string{"manifest.json: it is the manifest of something else"}},
		{"a manifest of later", change(ManifestName, `"schemaVersion": "1"`, `"schemaVersion": "9"`), []string{`manifest.json: its form is "9"; this version of aksid knows "1"`}},
	} {
		v := Verify(c.damage(signed(t, key)), signersOf(t, key))
		ok := len(v.Problems) == len(c.want)
		for i := range min(len(v.Problems), len(c.want)) {
			ok = ok && strings.HasPrefix(v.Problems[i], c.want[i])
		}
		if !ok {
			t.Errorf("%s: %q, want %q", c.name, v.Problems, c.want)
		}
	}
}

// A break-glass record that was damaged before it came into the bundle is found in it.
func TestDamagedRecordInBundle(t *testing.T) {
	in := input(t)
	text := bytes.Replace(in.Record.Text, []byte("password=planted-15-why"), []byte("nothing"), 1)
	files := append(makeBundle(t, in), File{"breakglass/record.jsonl", text})
	v := Verify(files, nil)
	if !slices.Equal(v.Record, []string{"line 1: it was changed after it was written"}) {
		t.Errorf("%q", v.Record)
	}
}

// Without signers a signature says what key has made it, and not that this is anybody's.
func TestNobodysSignature(t *testing.T) {
	v := Verify(signed(t, newKey(t)), nil)
	if len(v.Problems) != 0 || !v.Signed || v.Trusted || !strings.HasPrefix(v.Key, "SHA256:") {
		t.Errorf("%+v", v)
	}
}

// Signatures that ssh-keygen has made are taken, for that message and that namespace alone.
func TestOpenSSHSignatures(t *testing.T) {
	a, err := txtar.ParseFile("testdata/ssh-keygen.txtar")
	if err != nil {
		t.Fatal(err)
	}
	text := map[string][]byte{}
	for _, f := range a.Files {
		text[f.Name] = f.Data
	}
	for _, kind := range []string{"ed25519", "rsa"} {
		key, err := checkSignature(text[kind+".sig"], []byte("hello manifest\n"))
		if err != nil {
			t.Fatal(kind, err)
		}
		signers, err := ParseSigners(text[kind+".pub"])
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := signers.find(key); !ok {
			t.Errorf("%s: another key", kind)
		}
		if _, err := checkSignature(text[kind+".sig"], []byte("hello manifest")); err == nil {
			t.Errorf("%s: another message is taken", kind)
		}
	}
}

// OpenSSH takes our signatures, of every kind of key.
func TestOpenSSHVerifies(t *testing.T) {
	keygen, err := exec.LookPath("ssh-keygen")
	if err != nil {
		t.Skip("there is no ssh-keygen here; testdata/ssh-keygen.txtar holds what it made")
	}
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	rsaKey, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []ssh.Signer{newKey(t), rsaKey} {
		dir := t.TempDir()
		message := []byte("a manifest")
		sig, err := Sign(key, message)
		if err != nil {
			t.Fatal(err)
		}
		allowed := append([]byte("ops@example "), ssh.MarshalAuthorizedKey(key.PublicKey())...)
		if err := errors.Join(os.WriteFile(dir+"/allowed", allowed, 0o600), os.WriteFile(dir+"/sig", sig.Data, 0o600)); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(keygen, "-Y", "verify", "-f", dir+"/allowed", "-I", "ops@example", "-n", Namespace, "-s", dir+"/sig")
		cmd.Stdin = bytes.NewReader(message)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", key.PublicKey().Type(), err, out)
		}
	}
}

func TestParseKey(t *testing.T) {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKeyWithPassphrase(private, "", []byte("open"))
	if err != nil {
		t.Fatal(err)
	}
	text := pem.EncodeToMemory(block)
	if _, err := ParseKey(text, nil); !errors.Is(err, ErrPassphrase) {
		t.Errorf("without a passphrase: %v", err)
	}
	if _, err := ParseKey(text, []byte("wrong")); err == nil {
		t.Error("any passphrase opens it")
	}
	if _, err := ParseKey(text, []byte("open")); err != nil {
		t.Error(err)
	}
	if _, err := ParseKey([]byte("ssh-ed25519 AAAA"), nil); err == nil || !strings.Contains(err.Error(), "no private SSH key") {
		t.Errorf("a public key: %v", err)
	}
}

func TestParseSigners(t *testing.T) {
	key := strings.TrimSpace(string(ssh.MarshalAuthorizedKey(newKey(t).PublicKey())))
	for _, c := range []struct {
		text string
		n    int // 0: an error
	}{
		{key, 1}, {key + " ops@example\n\n# comment\n", 1}, {"ops@example " + key, 1},
		{"ops@example namespaces=\"git,aksid-evidence\" " + key, 1}, {"ops@example namespaces=\"git\" " + key, 0},
		{"*@example cert-authority " + key, 0}, {"rubbish", 0}, {"", 0}, {key + "\n" + "a " + key, 2},
	} {
		s, err := ParseSigners([]byte(c.text))
		if len(s) != c.n || (err == nil) != (c.n > 0) {
			t.Errorf("%q: %d signers, %v", c.text, len(s), err)
		}
	}
}

// hostile is an archive that was not made by Write.
func hostile(t *testing.T, build func(*zip.Writer)) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "x.zip")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	z := zip.NewWriter(f)
	build(z)
	if err := errors.Join(z.Close(), f.Close()); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestHostileArchives(t *testing.T) {
	put := func(z *zip.Writer, name string, n int) {
		w, err := z.Create(name)
		if err == nil {
			_, err = io.Copy(w, io.LimitReader(zeros{}, int64(n)))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	small := limits{files: 10, file: 1 << 20, total: 2 << 20}
	for _, c := range []struct {
		name, want string
		build      func(*zip.Writer)
	}{
		{"out of it", `with the path "../x", which leads out of it`, func(z *zip.Writer) { put(z, "../x", 1) }},
		{"from the root", `with the path "/etc/x", which leads out of it`, func(z *zip.Writer) { put(z, "/etc/x", 1) }},
		{"with backslashes", "which leads out of it", func(z *zip.Writer) { put(z, `..\x`, 1) }},
		{"with a drive", "which leads out of it", func(z *zip.Writer) { put(z, "C:x", 1) }},
		{"twice", "it holds x twice", func(z *zip.Writer) { put(z, "x", 1); put(z, "x", 2) }},
		{"a link", "x is no plain file", func(z *zip.Writer) {
			h := &zip.FileHeader{Name: "x"}
			h.SetMode(os.ModeSymlink | 0o777)
			w, _ := z.CreateHeader(h)
			_, _ = w.Write([]byte("/etc/passwd"))
		}},
		{"a bomb", "x: x is larger than 1048576 bytes", func(z *zip.Writer) { put(z, "x", 64<<20) }},
		{"many bombs", "it holds more than 10 files or 2097152 bytes", func(z *zip.Writer) {
			for _, n := range []string{"a", "b", "c"} {
				put(z, n, 1<<20)
			}
		}},
		{"many files", "it holds more than 10 files", func(z *zip.Writer) {
			for i := range 11 {
				put(z, strings.Repeat("x", i+1), 0)
			}
		}},
	} {
		if _, err := small.read(hostile(t, c.build)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %s", c.name, err, c.want)
		}
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// A link in a folder could show a file of somebody else's.
func TestLinkInFolder(t *testing.T) {
	dir := t.TempDir()
	if err := os.Symlink("/etc/passwd", filepath.Join(dir, "x")); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(dir); err == nil || !strings.Contains(err.Error(), "x is no plain file") {
		t.Error(err)
	}
}

func FuzzVerify(f *testing.F) {
	f.Add([]byte(`{"schemaVersion":"1","bundle":"aksid evidence","files":[{"path":"x","size":1,"sha256":""}]}`), []byte("-----BEGIN SSH SIGNATURE-----\nU1NIU0lH\n-----END SSH SIGNATURE-----\n"), []byte("x"))
	f.Fuzz(func(t *testing.T, manifest, sig, x []byte) {
		v := Verify([]File{{ManifestName, manifest}, {SignatureName, sig}, {"x", x}}, nil)
		if v.Signed {
			t.Error("a signature was made up")
		}
	})
}

func FuzzSigners(f *testing.F) {
	f.Add([]byte("ops@example namespaces=\"x\" ssh-ed25519 AAAA\n"))
	f.Fuzz(func(t *testing.T, text []byte) { _, _ = ParseSigners(text) })
}
