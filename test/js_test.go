package test

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"
)

// TestJavaScript runs js/client.js, an ordinary program with the Azure SDK for JavaScript, through "aksid exec".
func TestJavaScript(t *testing.T) {
	dir := npmInstalled(t)
	c := up(t)
	run := func(as, command string) map[string]any {
		t.Helper()
		r := c.exec(t, as, "node", filepath.Join(dir, "client.js"), command)
		var got map[string]any
		if err := json.Unmarshal([]byte(r.stdout), &got); r.code != 0 || err != nil {
			t.Fatalf("%s: exit code %d, %v\n%s%s", command, r.code, err, r.stdout, r.stderr)
		}
		return got
	}
	want := func(got map[string]any, text string) {
		t.Helper()
		var expected map[string]any
		if err := json.Unmarshal([]byte(text), &expected); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, expected) {
			t.Errorf("got %v, want %v", got, expected)
		}
	}
	want(run("", "build"), `{"groups": ["rg-js"], "tags": {"by": "javascript"}, "prefixes": ["10.9.0.0/16"], "subnets": ["nodes"],
		"found": ["Microsoft.Network/virtualNetworks"]}`)
	sub := strings.TrimSpace(c.exec(t, "", "printenv", "AZURE_SUBSCRIPTION_ID").stdout)
	made := c.program(t, "", "make-identity", sub)
	if made.code != 0 {
		t.Fatalf("%+v", made)
	}
	want(run("mi:"+strings.TrimSpace(made.stdout), "refused"), `{"status": 403, "code": "AuthorizationFailed"}`)
	want(run("", "refused"), `{"status": 200}`)
	want(run("", "remove"), `{"exists": false}`)
}

// unreachable is what npm says where there is no registry to install from, or one that cannot answer now.
var unreachable = regexp.MustCompile(`ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|EHOSTUNREACH|ERR_SOCKET_TIMEOUT|code E(429|5\d\d)`)

// npmInstalled installs what js/package-lock.json names in a copy of js, or skips the test and says why.
func npmInstalled(t *testing.T) string {
	t.Helper()
	for _, program := range []string{"node", "npm"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("%s is not installed, so the JavaScript client cannot be tested", program)
		}
	}
	dir := t.TempDir()
	for _, name := range []string{"package.json", "package-lock.json", "client.js"} {
		text, err := os.ReadFile(filepath.Join(here(), "js", name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	npm := exec.CommandContext(ctx, "npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts", "--fetch-timeout=30000")
	npm.Dir, npm.WaitDelay = dir, time.Second
	switch out, err := npm.CombinedOutput(); {
	case ctx.Err() != nil:
		t.Skipf("npm is not done after %s, so the JavaScript client cannot be tested:\n%s", patience, out)
	case err != nil && unreachable.Match(out):
		t.Skipf("npm reaches no registry, so the JavaScript client cannot be tested:\n%s", out)
	case err != nil:
		t.Fatalf("npm ci: %v\n%s", err, out)
	}
	return dir
}
