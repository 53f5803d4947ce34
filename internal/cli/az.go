package cli

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/rogpeppe/go-internal/lockedfile"

	"aksid/internal/local"
)

// azFolderVar names the folder that holds everything az stores.
const azFolderVar = "AZURE_CONFIG_DIR"

// azSetup makes AZURE_CONFIG_DIR folders in which az knows the local Azure as a cloud and has a principal logged in.
// It does that by running az itself, as what az writes there is its own business. That takes a second or two,
// so the folders are kept in the data folder for as long as they are true:
//
//	az/<instance>/base           the cloud registered and chosen; every folder begins as a copy
//	az/<instance>/<principal>    a principal logged in
//	az/<instance>/public/…       the same in az's own cloud, whose host names lead to the local Azure
//
// Instance is a digest of what makes a registration stale: the endpoint and its CA.
type azSetup struct {
	az       *local.Azure
	program  string // az
	env      []string
	instance string // folder
	public   bool   // az knows the local Azure under Azure's host names alone
}

// logIn returns the AZURE_CONFIG_DIR for an identity and what to do with it at the end. Where there is no az,
// or it fails, the folder is as good as empty: it keeps programs away from the user's own logins all the same.
func logIn(ctx context.Context, a *App, az *local.Azure, who identity, env []string, public bool) (folder string, forget func()) {
	forget = func() {}
	instances := filepath.Join(az.Dir, "az")
	program, err := exec.LookPath("az")
	if err != nil {
		return filepath.Join(instances, "none"), forget
	}
	s, err := newAzSetup(az, program, env, public)
	if err == nil && who.refused {
		return filepath.Join(instances, "none"), forget
	}
	if err == nil && who.temporary {
		folder, err = s.temporary(ctx, who)
		forget = func() { os.RemoveAll(folder) }
	} else if err == nil {
		folder, err = s.kept(ctx, who)
	}
	if err != nil && ctx.Err() == nil {
		a.note("warning: az is not logged in: %s", oneLine(err))
	}
	return folder, forget
}

func newAzSetup(az *local.Azure, program string, env []string, public bool) (*azSetup, error) {
	ca, err := os.ReadFile(az.CA)
	if err != nil {
		return nil, err
	}
	instance := filepath.Join(az.Dir, "az", digest(az.URL, string(ca)))
	if err := os.MkdirAll(instance, 0o700); err != nil {
		return nil, err
	}
	return &azSetup{az, program, env, instance, public}, nil
}

// tokenCache is where az keeps tokens in its folder. Encrypted it is another file, which is so on desktops alone, and by choice.
const tokenCache = "msal_token_cache.json"

// digest is a short name for what goes into it.
func digest(parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return hex.EncodeToString(sum[:8])
}

// kept returns the folder of an identity, logged in anew if the credential or the visible subscriptions have changed, or the
// clock was moved: az keeps its tokens until they end by the machine's clock, and the local Azure refuses them before.
func (s *azSetup) kept(ctx context.Context, who identity) (string, error) {
	name := who.credential.ObjectID.String()
	if !who.machine.IsZero() {
		name = digest(who.machine.Key())
	}
	folder := filepath.Join(s.instance, name)
	if s.public {
		folder = filepath.Join(s.instance, "public", name)
		if err := os.MkdirAll(filepath.Dir(folder), 0o700); err != nil {
			return folder, err
		}
	}
	unlock, err := lockedfile.MutexAt(folder + ".lock").Lock() // execs may start together
	if err != nil {
		return folder, err
	}
	defer unlock()
	clock, err := s.az.Clock(ctx)
	if err != nil {
		return folder, err
	}
	stamp, file := digest(append(who.subscriptions, who.credential.Secret, clock.Offset)...), filepath.Join(folder, "aksid-login")
	if seen, err := os.ReadFile(file); err == nil && string(seen) == stamp {
		return folder, nil
	}
	_ = os.Remove(filepath.Join(folder, tokenCache)) // there is none before the first login
	if err := s.fill(ctx, folder, who); err != nil {
		return folder, err
	}
	return folder, os.WriteFile(file, []byte(stamp), 0o600)
}

// temporary returns a folder of its own for an identity whose secret ends with the program.
func (s *azSetup) temporary(ctx context.Context, who identity) (string, error) {
	folder, err := os.MkdirTemp("", "aksid-az-") // mode 0700
	if err != nil {
		return filepath.Join(s.instance, "none"), err
	}
	return folder, s.fill(ctx, folder, who)
}

// fill makes a folder a copy of base, unless it has been one, and logs in there.
func (s *azSetup) fill(ctx context.Context, folder string, who identity) error {
	if s.public {
		if err := os.MkdirAll(folder, 0o700); err != nil {
			return err
		}
		return s.login(ctx, folder, who)
	}
	base, err := s.base(ctx)
	if err != nil {
		return err
	}
	if _, err := os.Stat(filepath.Join(folder, "clouds.config")); err != nil {
		if err := os.CopyFS(folder, os.DirFS(base)); err != nil {
			return err
		}
	}
	return s.login(ctx, folder, who)
}

func (s *azSetup) login(ctx context.Context, folder string, who identity) error {
	args, secret := []string{"--identity"}, ""
	if who.machine.IsZero() {
		option, text, err := who.proof()
		if err != nil {
			return err
		}
		args = []string{
			"--service-principal", "--username", who.credential.ClientID.String(),
			option + "=@-", "--tenant", who.credential.Tenant.String(), // read from standard input: others can see arguments
		}
		secret = text
	}
	return s.run(ctx, folder, secret, append([]string{"login", "--allow-no-subscriptions", "--output", "none"}, args...)...)
}

// proof is what a service principal logs in to az with, and the option that takes it.
func (i identity) proof() (option, text string, err error) {
	if i.tokenFile == "" {
		return "--password", i.credential.Secret, nil
	}
	token, err := os.ReadFile(i.tokenFile)
	return "--federated-token", string(token), err
}

// base returns the folder in which az knows the cloud, and makes it first if need be.
func (s *azSetup) base(ctx context.Context) (string, error) {
	base := filepath.Join(s.instance, "base")
	unlock, err := lockedfile.MutexAt(base + ".lock").Lock()
	if err != nil {
		return "", err
	}
	defer unlock()
	if _, err := os.Stat(base); err == nil {
		return base, nil
	}
	s.sweep()
	made, err := os.MkdirTemp(s.instance, "base-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(made)
	if err := s.register(ctx, made); err != nil {
		return "", err
	}
	return base, os.Rename(made, base)
}

// sweep removes the folders of instances that are no more: a data folder has one endpoint at a time.
func (s *azSetup) sweep() {
	others, _ := filepath.Glob(filepath.Join(filepath.Dir(s.instance), "*"))
	for _, other := range others {
		if other != s.instance {
			os.RemoveAll(other)
		}
	}
}

func (s *azSetup) register(ctx context.Context, folder string) error {
	body, err := json.Marshal(azCloud(s.az))
	if err != nil {
		return err
	}
	if err := s.run(ctx, folder, string(body), "cloud", "register", "--name", local.CloudName, "--cloud-config", "@-"); err != nil {
		return err
	}
	return s.run(ctx, folder, "", "cloud", "set", "--name", local.CloudName)
}

// azCloud is the local Azure in the form of az cloud register --cloud-config, the only one that can say where Graph is.
// An authority that ends in /adfs keeps az before 2.54 from asking the internet whether it knows the authority.
func azCloud(az *local.Azure) map[string]any {
	c := az.Cloud()
	return map[string]any{
		"endpoints": map[string]string{
			"resourceManager": c.ARM, "management": c.Audience, "gallery": c.Audience, "portal": c.ARM, "sqlManagement": c.Audience,
			"activeDirectory": c.Authority + "adfs", "activeDirectoryResourceId": c.Audience,
			"activeDirectoryGraphResourceId": c.Audience, "microsoftGraphResourceId": c.Graph + "/",
			"batchResourceId": c.Audience, "logAnalyticsResourceId": c.ARM,
		},
		"suffixes": map[string]string{
			"acrLoginServerEndpoint": c.RegistrySuffix, "storageEndpoint": "core.windows.net", "keyvaultDns": ".vault.azure.net",
		},
		"profile": "latest",
	}
}

// run runs az in a folder and returns what it complains of.
func (s *azSetup) run(ctx context.Context, folder, stdin string, args ...string) error {
	cmd := exec.CommandContext(ctx, s.program, append(args, "--only-show-errors")...)
	cmd.Env = slices.Concat(s.env, []string{azFolderVar + "=" + folder})
	cmd.Stdin = strings.NewReader(stdin)
	var complaint bytes.Buffer
	cmd.Stderr = &complaint
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("az %s: %w: %s", strings.Join(args[:2], " "), err, bytes.TrimSpace(complaint.Bytes()))
	}
	return nil
}
