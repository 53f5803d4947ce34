package cloud_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

const armAudience = "https://management.azure.com"

// acr makes a registry.
func (w *world) acr(group, name string, properties obj) string {
	w.Helper()
	id := group + "/providers/Microsoft.ContainerRegistry/registries/" + name
	w.operator.do("PUT", id+"?api-version=2025-04-01", obj{"location": "westeurope", "sku": obj{"name": "Premium"}, "properties": properties}).ok(201)
	return id
}

// registryClient is a client of one registry, as crane is one.
type registryClient struct {
	*testing.T
	server  string
	options []remote.Option
}

// client is a client that shows a user name and password; "" for none.
func (w *world) registry(t *testing.T, server, user, password string) *registryClient {
	auth := authn.Anonymous
	if user != "" {
		auth = authn.FromConfig(authn.AuthConfig{Username: user, Password: password})
	}
	return &registryClient{t, server + ".azurecr.io", []remote.Option{remote.WithAuth(auth), remote.WithTransport(w.transport()), remote.WithRetryBackoff(remote.Backoff{Steps: 1})}}
}

// guest is who shows a refresh token as password.
const guest = "00000000-0000-0000-0000-000000000000"

// refresh exchanges an Entra token as the kubelet's credential provider does.
func (c *credential) refresh(server string) reply {
	c.w.Helper()
	token := c.token(armAudience)
	return c.w.form(server+".azurecr.io", "/oauth2/exchange", url.Values{"grant_type": {"access_token_refresh_token"}, "service": {server + ".azurecr.io"},
		"tenant": {c.w.tenant}, "access_token": {token}, "refresh_token": {token}})
}

// form posts a form.
func (w *world) form(server, path string, values url.Values) reply {
	w.Helper()
	r := httptest.NewRequest("POST", "https://"+server+path, strings.NewReader(values.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return w.serve(r)
}

// at is a client that has exchanged an Entra token.
func (c *credential) at(t *testing.T, server string) *registryClient {
	t.Helper()
	return c.w.registry(t, server, guest, c.refresh(server).ok(200).str("refresh_token"))
}

func (c *registryClient) ref(image string) name.Reference {
	c.Helper()
	ref, err := name.ParseReference(c.server + "/" + image)
	if err != nil {
		c.Fatal(err)
	}
	return ref
}

func (c *registryClient) push(image string, img v1.Image) error {
	return remote.Write(c.ref(image), img, c.options...)
}

// pull reads an image with all of its layers and checks their digests.
func (c *registryClient) pull(image string) (v1.Image, error) {
	img, err := remote.Image(c.ref(image), c.options...)
	if err != nil {
		return nil, err
	}
	layers, err := img.Layers()
	for _, l := range layers {
		r, e := l.Compressed()
		if e == nil {
			_, e = io.Copy(io.Discard, r) // verifies
			r.Close()
		}
		err = errors.Join(err, e)
	}
	return img, err
}

// told is the status and the code of a registry's refusal.
func told(err error) string {
	var e *transport.Error
	switch {
	case err == nil:
		return "ok"
	case !errors.As(err, &e):
		return err.Error()
	case len(e.Errors) == 0:
		return fmt.Sprint(e.StatusCode)
	}
	return fmt.Sprint(e.StatusCode, " ", e.Errors[0].Code)
}

func (c *registryClient) want(want string, err error) {
	c.Helper()
	if got := told(err); got != want {
		c.Errorf("got %s, want %s: %v", got, want, err)
	}
}

func image(t testing.TB, seed int) v1.Image {
	t.Helper()
	img, err := random.Image(4096, 3)
	if err == nil {
		img, err = mutate.Config(img, v1.Config{Labels: map[string]string{"seed": fmt.Sprint(seed)}})
	}
	if err != nil {
		t.Fatal(err)
	}
	return img
}

func digestOf(t testing.TB, i interface{ Digest() (v1.Hash, error) }) string {
	t.Helper()
	h, err := i.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return h.String()
}

// TestImages pushes, pulls, lists, and deletes, with the rights that each takes, and finds everything after a restart.
func TestImages(t *testing.T) {
	w := newWorld(t)
	rg := w.group(w.platform, "rg")
	id := w.acr(rg, "freightacr", nil)
	puller, pusher, deleter := w.application("puller"), w.application("pusher"), w.application("deleter")
	w.give(puller.id, "AcrPull", id)
	w.give(pusher.id, "AcrPush", id)
	w.give(deleter.id, "AcrDelete", id)
	w.give(deleter.id, "AcrPull", id)
	push, pull, del := w.as(pusher).at(t, "freightacr"), w.as(puller).at(t, "freightacr"), w.as(deleter).at(t, "freightacr")

	one, two := image(t, 1), image(t, 2)
	push.want("ok", push.push("team/app:v1", one))
	push.want("ok", push.push("team/app:v2", two))
	pull.want("401 UNAUTHORIZED", pull.push("team/app:v3", one))
	got, err := pull.pull("team/app:v1")
	pull.want("ok", err)
	if digestOf(t, got) != digestOf(t, one) {
		t.Error("another image was pulled")
	}
	w.restart()
	got, err = pull.pull("team/app:v2")
	pull.want("ok", err)
	if digestOf(t, got) != digestOf(t, two) {
		t.Error("after a restart another image was pulled")
	}

	tags, err := remote.List(pull.ref("team/app").Context(), pull.options...)
	if err != nil || !slices.Equal(tags, []string{"v1", "v2"}) {
		t.Errorf("the tags are %v, %v", tags, err)
	}
	reg, _ := name.NewRegistry(pull.server)
	repos, err := remote.Catalog(t.Context(), reg, pull.options...)
	if err != nil || !slices.Equal(repos, []string{"team/app"}) {
		t.Errorf("the repositories are %v, %v", repos, err)
	}
	_, err = pull.pull("team/app:v9")
	pull.want("404 MANIFEST_UNKNOWN", err)
	_, err = pull.pull("nothing:v1")
	pull.want("404 NAME_UNKNOWN", err)
	_, err = pull.pull("team/app@sha256:" + strings.Repeat("0", 64))
	pull.want("404 MANIFEST_UNKNOWN", err)

	byDigest := "team/app@" + digestOf(t, one)
	push.want("401 UNAUTHORIZED", remote.Delete(push.ref(byDigest), push.options...))
	del.want("ok", remote.Delete(del.ref(byDigest), del.options...))
	del.want("404 MANIFEST_UNKNOWN", remote.Delete(del.ref(byDigest), del.options...))
	_, err = pull.pull("team/app:v1")
	pull.want("404 MANIFEST_UNKNOWN", err)
	_, err = pull.pull("team/app:v2")
	pull.want("ok", err)
	if n := len(files(t, w.dir, "images/*/sha256/*")); n != 4 {
		t.Errorf("%d blobs are left, want a configuration and three layers", n)
	}
	usage := w.operator.get(id + "/listUsages").ok(200)
	if got := usage.list("name"); got[0] != "Size" || usage.at("value.0.currentValue").(float64) < 3*4096 {
		t.Errorf("the usage is %s", usage.raw)
	}
	del.want("ok", remote.Delete(del.ref("team/app@"+digestOf(t, two)), del.options...))
	if n := len(files(t, w.dir, "images/*/sha256/*")); n != 0 {
		t.Errorf("%d blobs are left of an empty registry", n)
	}
}

func files(t testing.TB, dir, pattern string) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, filepath.FromSlash(pattern)))
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// TestImageIndex pushes images for several platforms, mounts their layers elsewhere, and lists what refers to an image.
func TestImageIndex(t *testing.T) {
	w := newWorld(t)
	id := w.acr(w.group(w.platform, "rg"), "freightacr", nil)
	pusher := w.application("pusher")
	w.give(pusher.id, "AcrPush", id)
	c := w.as(pusher).at(t, "freightacr")
	index, err := random.Index(512, 2, 3)
	if err != nil {
		t.Fatal(err)
	}
	tag := c.ref("multi:v1")
	c.want("ok", remote.WriteIndex(tag, index, c.options...))
	got, err := remote.Index(tag, c.options...)
	c.want("ok", err)
	if digestOf(t, got) != digestOf(t, index) {
		t.Error("another index was read")
	}
	manifests, err := index.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	member, err := index.Image(manifests.Manifests[0].Digest)
	if err != nil {
		t.Fatal(err)
	}
	// Layers that are in another repository are mounted: the client asks for it.
	base, err := remote.Image(c.ref("multi@"+manifests.Manifests[0].Digest.String()), c.options...)
	c.want("ok", err)
	c.want("ok", c.push("copy:v1", base))
	got2, err := c.pull("copy:v1")
	c.want("ok", err)
	if digestOf(t, got2) != digestOf(t, member) {
		t.Error("the copy is another image")
	}

	desc, err := remote.Head(c.ref("copy:v1"), c.options...)
	c.want("ok", err)
	signature := mutate.Subject(mutate.ConfigMediaType(mutate.MediaType(empty.Image, "application/vnd.oci.image.manifest.v1+json"), "application/vnd.example.signature"), *desc).(v1.Image)
	c.want("ok", c.push("copy@"+digestOf(t, signature), signature))
	referrers, err := remote.Referrers(c.ref("copy@"+desc.Digest.String()).(name.Digest), c.options...)
	c.want("ok", err)
	list, err := referrers.IndexManifest()
	if err != nil || len(list.Manifests) != 1 || list.Manifests[0].Digest.String() != digestOf(t, signature) {
		t.Errorf("the referrers are %+v, %v", list, err)
	}
}

// TestKubelet pulls as a node does: with the managed identity of the kubelet, before and after it gets AcrPull.
func TestKubelet(t *testing.T) {
	w := newWorld(t)
	rg := w.group(w.platform, "rg")
	id := w.acr(rg, "freightacr", obj{"adminUserEnabled": true})
	admin := w.operator.do("POST", id+"/listCredentials", nil).ok(200)
	root := w.registry(t, "freightacr", admin.str("username"), admin.str("passwords.0.value"))
	root.want("ok", root.push("app:1", image(t, 1)))
	kubelet, principal, _ := w.identity(rg, "aks-agentpool")
	node := w.onMachine(kubelet)
	node.refresh("freightacr").ok(401)
	w.give(principal, "AcrPull", id)
	c := node.at(t, "freightacr")
	img, err := c.pull("app:1")
	c.want("ok", err)
	c.want("401 UNAUTHORIZED", c.push("app:2", image(t, 2)))
	c.want("401 UNAUTHORIZED", remote.Tag(c.ref("app:1").Context().Tag("2"), img, c.options...))
}

// TestRegistryRefusals are the registry's answers to those it keeps out, word for word.
func TestRegistryRefusals(t *testing.T) {
	w := newWorld(t)
	rg := w.group(w.platform, "rg")
	id := w.acr(rg, "freightacr", nil)
	nobody := w.as(w.application("nobody"))

	ping := nobody.ask("", "GET", "https://freightacr.azurecr.io/v2/", "")
	if got := ping.ok(401).header.Get("Www-Authenticate"); got != `Bearer realm="https://freightacr.azurecr.io/oauth2/token",service="freightacr.azurecr.io"` {
		t.Errorf("the challenge is %s", got)
	}
	const unauthorized = `{"errors":[{"code":"UNAUTHORIZED","message":"authentication required, visit https://aka.ms/acr/authorization for more information."}]}` + "\n"
	if ping.raw != unauthorized || nobody.refresh("freightacr").ok(401).raw != unauthorized {
		t.Errorf("the refusals are %s %s", ping.raw, nobody.refresh("freightacr").raw)
	}
	blob := nobody.ask("", "GET", "https://freightacr.azurecr.io/v2/team/app/manifests/v1", "").ok(401)
	if got := blob.header.Get("Www-Authenticate"); !strings.HasSuffix(got, `,scope="repository:team/app:pull"`) {
		t.Errorf("the challenge is %s", got)
	}
	if !strings.Contains(blob.raw, `"detail":[{"Type":"repository","Name":"team/app","Action":"pull"}]`) {
		t.Errorf("the refusal is %s", blob.raw)
	}

	firewall := `{"errors":[{"code":"DENIED","message":"client with IP '127.0.0.1' is not allowed access. Refer https://aka.ms/acr/firewall to grant access."}]}` + "\n"
	for _, c := range []struct {
		properties obj
		open       bool
	}{
		{obj{"networkRuleSet": obj{"defaultAction": "Deny", "ipRules": []any{}}}, false},
		{obj{"networkRuleSet": obj{"defaultAction": "Deny", "ipRules": []obj{{"action": "Allow", "value": "10.0.0.0/8"}}}}, false},
		{obj{"networkRuleSet": obj{"defaultAction": "Deny", "ipRules": []obj{{"action": "Allow", "value": "127.0.0.0/8"}}}}, true},
		{obj{"networkRuleSet": obj{"defaultAction": "Deny", "ipRules": []obj{{"action": "Allow", "value": "127.0.0.1"}}}}, true},
		{obj{"publicNetworkAccess": "Disabled"}, false},
		{obj{"publicNetworkAccess": "Enabled", "networkRuleSet": obj{"defaultAction": "Allow"}}, true},
	} {
		w.operator.do("PATCH", id, obj{"properties": c.properties}).ok(200)
		r := nobody.ask("", "GET", "https://freightacr.azurecr.io/v2/", "")
		if c.open && r.status != 401 || !c.open && (r.status != 403 || r.raw != firewall) {
			t.Errorf("with %v: %d %s", c.properties, r.status, r.raw)
		}
	}
}

// TestRegistryARMTokens: a registry can refuse Entra tokens for Resource Manager, and then takes those for registries.
func TestRegistryARMTokens(t *testing.T) {
	w := newWorld(t)
	id := w.acr(w.group(w.platform, "rg"), "freightacr", obj{"policies": obj{"azureADAuthenticationAsArmPolicy": obj{"status": "disabled"}}})
	u := w.application("u")
	w.give(u.id, "AcrPull", id)
	c := w.as(u)
	c.refresh("freightacr").ok(401)
	token := c.token("https://containerregistry.azure.net")
	w.form("freightacr.azurecr.io", "/oauth2/exchange", url.Values{"grant_type": {"access_token"}, "service": {"freightacr.azurecr.io"}, "access_token": {token}}).ok(200)
}

// TestAnonymousPull: anybody may pull where it is on, and nothing else.
func TestAnonymousPull(t *testing.T) {
	w := newWorld(t)
	id := w.acr(w.group(w.platform, "rg"), "freightacr", obj{"adminUserEnabled": true})
	admin := w.operator.do("POST", id+"/listCredentials", nil).ok(200)
	root, nobody := w.registry(t, "freightacr", admin.str("username"), admin.str("passwords.1.value")), w.registry(t, "freightacr", "", "")
	root.want("ok", root.push("app:1", image(t, 1)))
	_, err := nobody.pull("app:1")
	nobody.want("401 UNAUTHORIZED", err)
	w.operator.do("PATCH", id, obj{"properties": obj{"anonymousPullEnabled": true}}).ok(200)
	_, err = nobody.pull("app:1")
	nobody.want("ok", err)
	nobody.want("401 UNAUTHORIZED", nobody.push("app:2", image(t, 2)))
	if _, err := remote.Catalog(t.Context(), nobody.ref("x").Context().Registry, nobody.options...); told(err) != "401 UNAUTHORIZED" {
		t.Errorf("the catalog is open: %v", err)
	}
}

// TestAdminUser: its two passwords count until they are made anew or it is switched off.
func TestAdminUser(t *testing.T) {
	w := newWorld(t)
	id := w.acr(w.group(w.platform, "rg"), "freightacr", nil)
	w.operator.do("POST", id+"/listCredentials", nil).refused(400, "UnAuthorizedForCredentialOperations", "Cannot perform credential operations for "+id+" as admin user is disabled")
	w.operator.do("PATCH", id, obj{"properties": obj{"adminUserEnabled": true}}).ok(200)
	reader := w.application("reader")
	w.grant(reader.id, "Reader", id)
	reader.do("POST", id+"/listCredentials", nil).refused(403, "AuthorizationFailed", "'Microsoft.ContainerRegistry/registries/listCredentials/action'")
	before := w.operator.do("POST", id+"/listCredentials", nil).ok(200)
	after := w.operator.do("POST", id+"/regenerateCredential", obj{"name": "password"}).ok(200)
	if before.str("passwords.0.value") == after.str("passwords.0.value") || before.str("passwords.1.value") != after.str("passwords.1.value") {
		t.Error("not just the first password was made anew")
	}
	try := func(password string) int {
		r := httptest.NewRequest("GET", "https://freightacr.azurecr.io/v2/_catalog", nil)
		r.SetBasicAuth("freightacr", password)
		return w.serve(r).status
	}
	for password, want := range map[string]int{before.str("passwords.0.value"): 401, after.str("passwords.0.value"): 200, before.str("passwords.1.value"): 200, "": 401} {
		if got := try(password); got != want {
			t.Errorf("a password gets %d, want %d", got, want)
		}
	}
	w.operator.do("PATCH", id, obj{"properties": obj{"adminUserEnabled": false}}).ok(200)
	if got := try(after.str("passwords.0.value")); got != 401 {
		t.Errorf("a disabled admin user gets %d", got)
	}
	if shown := w.operator.get(id).ok(200).raw; strings.Contains(shown, "keys") || strings.Contains(shown, after.str("passwords.0.value")) {
		t.Errorf("a reader sees the passwords: %s", shown)
	}
}

// TestRegistryTokens: a token of the registry may do what its scope map says.
func TestRegistryTokens(t *testing.T) {
	w := newWorld(t)
	id := w.acr(w.group(w.platform, "rg"), "freightacr", nil)
	op := w.operator
	op.put(id+"/scopeMaps/team-push", obj{"properties": obj{"actions": []string{"repositories/team/*/content/write", "repositories/team/*/content/read", "repositories/team/app/metadata/read"}}}).ok(200)
	op.put(id+"/scopeMaps/wrong", obj{"properties": obj{"actions": []string{"Microsoft.ContainerRegistry/registries/pull/read"}}}).refused(400, "InvalidScopeMapAction")
	op.put(id+"/tokens/ci-token", obj{"properties": obj{"scopeMapId": id + "/scopeMaps/nothing"}}).refused(400, "InvalidResourceReference")
	op.put(id+"/tokens/ci-token", obj{"properties": obj{"scopeMapId": id + "/scopeMaps/team-push"}}).ok(201)
	made := op.do("POST", id+"/generateCredentials", obj{"tokenId": id + "/tokens/ci-token", "expiry": w.clock.Now().Add(time.Hour).UTC().Format(time.RFC3339)}).ok(200)
	if made.str("username") != "ci-token" || made.str("passwords.1.name") != "password2" {
		t.Fatalf("the credentials are %s", made.raw)
	}
	c := w.registry(t, "freightacr", "ci-token", made.str("passwords.0.value"))
	c.want("ok", c.push("team/app:1", image(t, 1)))
	c.want("401 UNAUTHORIZED", c.push("other:1", image(t, 1)))
	_, err := c.pull("team/app:1")
	c.want("ok", err)
	c.want("401 UNAUTHORIZED", remote.Delete(c.ref("team/app@sha256:"+strings.Repeat("0", 64)), c.options...))
	shown := op.get(id + "/tokens/ci-token").ok(200)
	if strings.Contains(shown.raw, "value\"") || strings.Contains(shown.raw, "hash") || shown.str("properties.credentials.passwords.0.name") != "password1" {
		t.Errorf("the token is shown as %s", shown.raw)
	}
	op.do("PATCH", id+"/tokens/ci-token", obj{"properties": obj{"status": "disabled"}}).ok(201)
	_, err = c.pull("team/app:1")
	c.want("401 UNAUTHORIZED", err)
	op.do("PATCH", id+"/tokens/ci-token", obj{"properties": obj{"status": "enabled"}}).ok(201)
	w.clock.Add(2 * time.Hour)
	_, err = c.pull("team/app:1")
	c.want("401 UNAUTHORIZED", err)
}

// TestABACRegistry: control-plane roles count no more, data actions do.
func TestABACRegistry(t *testing.T) {
	w := newWorld(t)
	id := w.acr(w.group(w.platform, "rg"), "freightacr", obj{"roleAssignmentMode": "AbacRepositoryPermissions"})
	old, reader, writer := w.application("old"), w.application("reader"), w.application("writer")
	w.give(old.id, "AcrPush", id)
	w.give(old.id, "Owner", id)
	w.give(reader.id, "Container Registry Repository Reader", id)
	w.give(writer.id, "Container Registry Repository Contributor", id)
	w.as(old).refresh("freightacr").ok(401)
	write, read := w.as(writer).at(t, "freightacr"), w.as(reader).at(t, "freightacr")
	write.want("ok", write.push("app:1", image(t, 1)))
	_, err := read.pull("app:1")
	read.want("ok", err)
	read.want("401 UNAUTHORIZED", read.push("app:2", image(t, 2)))

	// A condition on the repository's name opens that one alone.
	one := w.application("one")
	w.operator.put(id+"/providers/Microsoft.Authorization/roleAssignments/"+guid(), obj{"properties": obj{"principalId": one.id, "conditionVersion": "2.0",
		"condition":        "((!(ActionMatches{'Microsoft.ContainerRegistry/registries/repositories/content/read'}) AND !(ActionMatches{'Microsoft.ContainerRegistry/registries/repositories/metadata/read'})) OR (@Request[Microsoft.ContainerRegistry/registries/repositories:name] StringEqualsIgnoreCase 'app'))",
		"roleDefinitionId": id + "/providers/Microsoft.Authorization/roleDefinitions/" + dataRoles["Container Registry Repository Reader"]}}).ok(201)
	write.want("ok", write.push("secret:1", image(t, 3)))
	only := w.as(one).at(t, "freightacr")
	_, err = only.pull("app:1")
	only.want("ok", err)
	_, err = only.pull("secret:1")
	only.want("401 UNAUTHORIZED", err)
}

// token is an access token for scopes.
func (c *credential) access(server string, scopes ...string) reply {
	c.w.Helper()
	return c.w.form(server+".azurecr.io", "/oauth2/token", url.Values{"grant_type": {"refresh_token"}, "service": {server + ".azurecr.io"},
		"refresh_token": {c.refresh(server).ok(200).str("refresh_token")}, "scope": scopes})
}

// TestRegistryMetadata walks through ACR's own API, as az does, with its locks.
func TestRegistryMetadata(t *testing.T) {
	w := newWorld(t)
	id := w.acr(w.group(w.platform, "rg"), "freightacr", nil)
	u := w.application("u")
	for _, role := range []string{"AcrPush", "AcrDelete"} {
		w.give(u.id, role, id)
	}
	c := w.as(u)
	client := c.at(t, "freightacr")
	img := image(t, 1)
	for _, tag := range []string{"c", "a", "b"} {
		w.clock.Add(time.Second)
		client.want("ok", client.push("app:"+tag, img))
	}
	w.clock.Add(time.Second)
	client.want("ok", client.push("app:other", image(t, 2)))
	token := "Bearer " + c.access("freightacr", "repository:app:metadata_read,metadata_write,delete", "registry:catalog:*").ok(200).str("access_token")
	call := func(method, path, body string) reply {
		t.Helper()
		return c.ask("", method, "https://freightacr.azurecr.io"+path, body, "Authorization", token)
	}
	names := func(r reply, list, member string) string {
		t.Helper()
		var out []string
		for i := range r.ok(200).body[list].([]any) {
			out = append(out, r.str(fmt.Sprintf("%s.%d.%s", list, i, member)))
		}
		return strings.Join(out, " ")
	}
	if got := names(call("GET", "/acr/v1/app/_tags?orderby=timedesc", ""), "tags", "name"); got != "other b a c" {
		t.Errorf("the newest tags first are %s", got)
	}
	first := call("GET", "/acr/v1/app/_tags?n=3", "")
	if got := names(first, "tags", "name"); got != "a b c" {
		t.Errorf("the first page is %s", got)
	}
	link, _, _ := strings.Cut(strings.TrimPrefix(first.header.Get("Link"), "<"), ">")
	if got := names(call("GET", link, ""), "tags", "name"); got != "other" {
		t.Errorf("the page at %s is %s", link, got)
	}
	shown := call("GET", "/acr/v1/app/_manifests/"+digestOf(t, img), "").ok(200)
	if shown.at("manifest.tags.2") != "c" || shown.at("manifest.imageSize").(float64) < 3*4096 || shown.at("manifest.changeableAttributes.deleteEnabled") != true {
		t.Errorf("the manifest is %s", shown.raw)
	}
	repo := call("GET", "/acr/v1/app", "").ok(200)
	if repo.at("tagCount") != 4.0 || repo.at("manifestCount") != 2.0 {
		t.Errorf("the repository is %s", repo.raw)
	}
	if got := call("GET", "/acr/v1/_catalog", "").ok(200).raw; got != `{"repositories":["app"]}`+"\n" {
		t.Errorf("the catalog is %s", got)
	}

	const disallowed = "The operation is disallowed on this registry, repository or image. View troubleshooting steps at https://aka.ms/acr/faq/#why-does-my-pull-or-push-request-fail-with-disallowed-operation"
	if got := call("PATCH", "/acr/v1/app/_tags/b", `{"writeEnabled":false,"deleteEnabled":false}`).ok(200); got.at("tag.changeableAttributes.writeEnabled") != false {
		t.Errorf("the tag is %s", got.raw)
	}
	client.want("405 REGISTRY_DISALLOWED_OPERATION", client.push("app:b", image(t, 3)))
	if got := call("DELETE", "/acr/v1/app/_tags/b", "").ok(405); got.str("errors.0.message") != disallowed {
		t.Errorf("the refusal is %s", got.raw)
	}
	client.want("405 REGISTRY_DISALLOWED_OPERATION", remote.Delete(client.ref("app@"+digestOf(t, img)), client.options...))
	call("DELETE", "/acr/v1/app/_tags/c", "").ok(202)
	call("DELETE", "/acr/v1/app/_tags/c", "").ok(404)
	call("PATCH", "/acr/v1/app", `{"readEnabled":false}`).ok(200)
	_, err := client.pull("app:a")
	client.want("405 REGISTRY_DISALLOWED_OPERATION", err)
	call("DELETE", "/acr/v1/app", "").ok(405)
	call("PATCH", "/acr/v1/app", `{"readEnabled":true}`).ok(200)
	call("PATCH", "/acr/v1/app/_tags/b", `{"writeEnabled":true,"deleteEnabled":true}`).ok(200)
	gone := call("DELETE", "/acr/v1/app", "").ok(202)
	if len(gone.body["manifestsDeleted"].([]any)) != 2 || len(gone.body["tagsDeleted"].([]any)) != 3 {
		t.Errorf("what went is %s", gone.raw)
	}
	if got := call("GET", "/acr/v1/app", "").ok(404).str("errors.0.message"); got != `repository "app" is not found` {
		t.Errorf("the refusal is %s", got)
	}
}

// TestRegistryRemoved: images go with the registry, and its tokens do not open another one of the same name.
func TestRegistryRemoved(t *testing.T) {
	w := newWorld(t)
	rg := w.group(w.platform, "rg")
	id := w.acr(rg, "freightacr", nil)
	u := w.application("u")
	w.give(u.id, "AcrPush", rg)
	c := w.as(u)
	client := c.at(t, "freightacr")
	client.want("ok", client.push("app:1", image(t, 1)))
	refresh := c.refresh("freightacr").str("refresh_token")
	w.operator.delete(id).ok(200)
	eventually(t, "the files are removed", func() bool { return len(files(t, w.dir, "images/*")) == 0 })
	w.acr(rg, "freightacr", nil)
	w.form("freightacr.azurecr.io", "/oauth2/token", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {refresh}}).ok(401)
	again := c.at(t, "freightacr")
	_, err := again.pull("app:1")
	again.want("404 NAME_UNKNOWN", err)
}

// eventually waits for what another goroutine does.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("never: " + what)
		}
	}
}

// TestHostilePush: what is no image, no digest or no name is refused, and leaves nothing behind.
func TestHostilePush(t *testing.T) {
	w := newWorld(t)
	id := w.acr(w.group(w.platform, "rg"), "freightacr", obj{"adminUserEnabled": true})
	admin := w.operator.do("POST", id+"/listCredentials", nil).ok(200)
	call := func(method, path string, body []byte, headers ...string) reply {
		t.Helper()
		r := httptest.NewRequest(method, "https://freightacr.azurecr.io/x", bytes.NewReader(body))
		u, err := url.Parse("https://freightacr.azurecr.io" + path)
		if err != nil {
			t.Fatal(err)
		}
		r.URL = u
		r.SetBasicAuth("freightacr", admin.str("passwords.0.value"))
		for i := 0; i < len(headers); i += 2 {
			r.Header.Set(headers[i], headers[i+1])
		}
		return w.serve(r)
	}
	const manifest = "application/vnd.oci.image.manifest.v1+json"
	zero := "sha256:" + strings.Repeat("0", 64)
	referring, _ := json.Marshal(obj{"schemaVersion": 2, "mediaType": manifest, "config": obj{"digest": zero, "size": 1, "mediaType": "x"}, "layers": []any{}})
	for _, c := range []struct {
		method, path, body, mediaType string
		status                        int
		code                          string
	}{
		{"PUT", "/v2/app/manifests/v1", "not JSON", manifest, 400, "MANIFEST_INVALID"},
		{"PUT", "/v2/app/manifests/v1", "{}", manifest, 400, "MANIFEST_INVALID"},
		{"PUT", "/v2/app/manifests/v1", string(referring), "text/html", 400, "MANIFEST_INVALID"},
		{"PUT", "/v2/app/manifests/v1", string(referring), manifest, 404, "MANIFEST_BLOB_UNKNOWN"},
		{"PUT", "/v2/app/manifests/" + zero, string(referring), manifest, 400, "DIGEST_INVALID"},
		{"PUT", "/v2/app/manifests/v1", strings.Replace(string(referring), zero, "sha256:../../../operator", 1), manifest, 400, "MANIFEST_INVALID"},
		{"PUT", "/v2/app/manifests/v1", strings.Replace(string(referring), `"size":1`, `"size":-1`, 1), manifest, 400, "MANIFEST_INVALID"},
		{"PUT", "/v2/app/manifests/v1", strings.Repeat("[", 1<<20), manifest, 400, "MANIFEST_INVALID"},
		{"PUT", "/v2/app/manifests/v1", strings.Repeat(" ", 5<<20), manifest, 413, "SIZE_INVALID"},
		{"PUT", "/v2/" + strings.Repeat("a", 300) + "/manifests/v1", string(referring), manifest, 400, "NAME_INVALID"},
		{"GET", "/v2/App/manifests/v1", "", "", 400, "NAME_INVALID"},
		{"GET", "/v2/app/blobs/../../../../etc/passwd", "", "", 404, ""},
		{"GET", "/v2/app/blobs/sha256:..%2f..%2foperator.json", "", "", 404, ""},
		{"POST", "/v2/app/blobs/uploads/?digest=" + zero, "something else", "", 400, "DIGEST_INVALID"},
		{"POST", "/v2/app/blobs/uploads/?digest=sha512:" + strings.Repeat("0", 128), "x", "", 400, "DIGEST_INVALID"},
		{"PATCH", "/v2/app/blobs/uploads/Li4vLi4vb3BlcmF0b3IuanNvbg", "x", "", 404, "BLOB_UPLOAD_UNKNOWN"},
		{"PATCH", "/v2/app/blobs/uploads/%2e%2e", "x", "", 400, ""},
		{"DELETE", "/v2/app/manifests/v1", "", "", 400, "UNSUPPORTED"},
		{"DELETE", "/v2/app/blobs/" + zero, "", "", 404, "BLOB_UNKNOWN"},
		{"GET", "/acr/v1/../v2/_tags", "", "", 400, "NAME_INVALID"},
		{"PATCH", "/acr/v1/app", "[]", "", 400, "UNSUPPORTED"},
		{"BREW", "/v2/app/manifests/v1", "", "", 405, ""},
		{"GET", "/", "", "", 404, "NOT_FOUND"},
	} {
		got := call(c.method, c.path, []byte(c.body), "Content-Type", c.mediaType)
		if got.status != c.status || c.code != "" && got.str("errors.0.code") != c.code {
			t.Errorf("%s %.60s: %d %s, want %d %s", c.method, c.path, got.status, got.raw, c.status, c.code)
		}
	}
	if left := files(t, w.dir, "images/*/*/*"); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

// TestManifestThatDoesNotArrive: crane sends a manifest with the first try alone. Who may not push is told so in the second
// all the same.
func TestManifestThatDoesNotArrive(t *testing.T) {
	w := newWorld(t)
	id := w.acr(w.group(w.platform, "rg"), "freightacr", obj{"adminUserEnabled": true})
	admin := w.operator.do("POST", id+"/listCredentials", nil).ok(200)
	for password, want := range map[string]int{"": 401, admin.str("passwords.0.value"): 400} {
		r := httptest.NewRequest("PUT", "https://freightacr.azurecr.io/v2/app/manifests/v2", io.NopCloser(iotest.ErrReader(io.ErrUnexpectedEOF)))
		r.Header.Set("Content-Type", "application/vnd.oci.image.manifest.v1+json")
		r.RemoteAddr = "127.0.0.1:50000"
		if password != "" {
			r.SetBasicAuth("freightacr", password)
		}
		rec := httptest.NewRecorder()
		w.handler.ServeHTTP(rec, r)
		if rec.Code != want {
			t.Errorf("%d %s, want %d", rec.Code, rec.Body, want)
		}
	}
}

// TestUploads: a blob can come in parts; each request must go on where the last one ended, in the same repository.
func TestUploads(t *testing.T) {
	w := newWorld(t)
	id := w.acr(w.group(w.platform, "rg"), "freightacr", obj{"adminUserEnabled": true})
	admin := w.operator.do("POST", id+"/listCredentials", nil).ok(200)
	call := func(method, path, body string, headers ...string) reply {
		t.Helper()
		r := httptest.NewRequest(method, "https://freightacr.azurecr.io"+path, strings.NewReader(body))
		r.SetBasicAuth("freightacr", admin.str("passwords.0.value"))
		for i := 0; i < len(headers); i += 2 {
			r.Header.Set(headers[i], headers[i+1])
		}
		return w.serve(r)
	}
	const digest = "sha256:b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9" // of "hello world"
	at := call("POST", "/v2/app/blobs/uploads/", "").ok(202).header.Get("Location")
	call("PATCH", at, "hello", "Content-Range", "3-7").ok(416)
	call("PATCH", at, "hello ", "Content-Range", "0-5").ok(202)
	call("PATCH", strings.Replace(at, "/v2/app/", "/v2/other/", 1), "x").ok(404)
	if got := call("GET", at, "").ok(204).header.Get("Range"); got != "0-5" {
		t.Errorf("the upload stands at %s", got)
	}
	call("PATCH", at, "world", "Content-Range", "6-10").ok(202)
	call("PUT", at+"?digest="+digest, "").ok(201)
	call("PUT", at+"?digest="+digest, "").ok(404)
	if got := call("GET", "/v2/app/blobs/"+digest, "").ok(200).raw; got != "hello world" {
		t.Errorf("the blob is %q", got)
	}
	part := call("GET", "/v2/app/blobs/"+digest, "", "Range", "bytes=6-10").ok(206)
	if part.raw != "world" || part.header.Get("Content-Range") != "bytes 6-10/11" {
		t.Errorf("the part is %q, %s", part.raw, part.header.Get("Content-Range"))
	}
	call("GET", "/v2/app/blobs/"+digest, "", "Range", "bytes=20-30").ok(416)
	call("GET", "/v2/other/blobs/"+digest, "").ok(404) // it is in another repository
	call("POST", "/v2/other/blobs/uploads/?from=app&mount="+digest, "").ok(201)
	call("GET", "/v2/other/blobs/"+digest, "").ok(200)
	call("POST", "/v2/other/blobs/uploads/?from=nothing&mount="+digest, "").ok(202)
	call("DELETE", "/v2/app/blobs/"+digest, "").ok(202)
	call("GET", "/v2/app/blobs/"+digest, "").ok(404)
	call("GET", "/v2/other/blobs/"+digest, "").ok(200)
	at = call("POST", "/v2/app/blobs/uploads/", "").ok(202).header.Get("Location")
	call("PUT", at+"?digest="+digest, "hello thief").ok(400)
	w.restart()
	call("PATCH", at, "x").ok(404)
	if n := len(files(t, w.dir, "images/*/uploads/*")); n != 0 {
		t.Errorf("%d uploads are left after a restart", n)
	}
	for _, f := range files(t, w.dir, "images/*/sha256/*") {
		if info, err := os.Stat(f); err != nil || info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %v, %v", f, info.Mode(), err)
		}
	}
}

// TestRegistryProvider is what stands around a registry at Resource Manager.
func TestRegistryProvider(t *testing.T) {
	w := newWorld(t)
	id := w.acr(w.group(w.platform, "rg"), "freightacr", nil)
	op := w.operator
	for name, want := range map[string]any{"freightacr": false, "FREIGHTACR": false, "no": false, "freeone": true} {
		if got := op.do("POST", w.platform+"/providers/Microsoft.ContainerRegistry/checkNameAvailability", obj{"name": name, "type": "Microsoft.ContainerRegistry/registries"}).ok(200).at("nameAvailable"); got != want {
			t.Errorf("the name %s is available: %v", name, got)
		}
	}
	if got := op.get(id + "/scopeMaps").ok(200).list("name"); len(got) != 5 || got[0] != "_repositories_admin" {
		t.Errorf("the scope maps of a new registry are %v", got)
	}
	if got := op.put(id+"/replications/northeurope", obj{"location": "northeurope"}).ok(201).str("properties.status.displayStatus"); got != "Ready" {
		t.Errorf("the replication is %s", got)
	}
	usage := op.get(id + "/listUsages").ok(200)
	if got := usage.list("name"); !slices.Equal(got, []string{"Size", "Webhooks", "ScopeMaps", "Tokens"}) || usage.at("value.2.currentValue") != 5.0 {
		t.Errorf("the usage is %s", usage.raw)
	}
	op.do("POST", id+"/generateCredentials", obj{"tokenId": id + "/tokens/nothing"}).refused(404, "NotFound")
	op.do("POST", id+"/generateCredentials", obj{"tokenId": w.platform + "/x"}).refused(400, "LinkedInvalidPropertyId")
	reader := w.application("reader")
	w.grant(reader.id, "Reader", id)
	reader.get(id + "/listUsages").ok(200)
	reader.do("POST", id+"/generateCredentials", obj{}).refused(403, "AuthorizationFailed", "'Microsoft.ContainerRegistry/registries/generateCredentials/action'")
	op.delete(id).ok(200)
	op.get(id+"/scopeMaps/_repositories_pull").refused(404, "ResourceNotFound")
}
