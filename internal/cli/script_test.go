package cli

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	_ "modernc.org/sqlite"

	"aksid/internal/azure"
	"aksid/internal/breakglass"
	"aksid/internal/cloud"
	"aksid/internal/drill/act"
	"aksid/internal/evidence"
	"aksid/internal/local"
	"aksid/internal/rbac"
)

// doc is a JSON object.
type doc = map[string]any

// TestMain makes aksid and its stand-ins commands of the scripts.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"aksid":     func() { os.Exit(Main()) },
		"child":     func() { os.Exit(child(os.Args[1], os.Args[2:])) },
		"az":        func() { os.Exit(standInAz(os.Args[1:])) },
		act.Program: func() { os.Exit(standInDrill()) },

		act.PlaneProgram: func() { os.Exit(standInPlane()) },
	})
}

// child is a program for aksid exec to run.
func child(verb string, args []string) int {
	switch verb {
	case "env": // print variables
		for _, name := range args {
			fmt.Printf("%s=%s\n", name, os.Getenv(name))
		}
	case "cat": // copy standard input
		io.Copy(os.Stdout, os.Stdin)
	case "exit":
		code, _ := strconv.Atoi(args[0])
		return code
	case "term": // be sent SIGTERM by way of the parent, and say so
		got := make(chan os.Signal, 1)
		signal.Notify(got, syscall.SIGTERM)
		parent, _ := os.FindProcess(os.Getppid())
		parent.Signal(syscall.SIGTERM)
		fmt.Println(<-got)
		return 7
	case "token": // ask the metadata service for a token, and say how that ended
		fmt.Println(askForToken())
	case "get": // a page
		resp, err := http.Get(args[0])
		if err != nil {
			fmt.Println(err)
			return 1
		}
		fmt.Println(resp.Status)
	case "die": // of a signal
		self, _ := os.FindProcess(os.Getpid())
		self.Kill()
		time.Sleep(time.Hour)
	}
	return 0
}

// askForToken does what an SDK does on a machine with a managed identity: http.DefaultClient uses HTTP_PROXY.
func askForToken() string {
	req, err := http.NewRequest(http.MethodGet, "http://169.254.169.254/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https%3A%2F%2Fmanagement.azure.com%2F", nil)
	if err != nil {
		return err.Error()
	}
	req.Header.Set("Metadata", "true")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err.Error()
	}
	defer resp.Body.Close()
	var answer struct {
		Token string `json:"access_token"`
		Error string `json:"error_description"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		return err.Error()
	}
	return fmt.Sprintf("%s, a token of %d parts, %s", resp.Status, len(strings.FieldsFunc(answer.Token, func(r rune) bool { return r == '.' })), answer.Error)
}

// standInAz records what az is asked to do in $AZ_LOG and leaves behind what the real one does as far as aksid looks at it.
func standInAz(args []string) int {
	stdin, _ := io.ReadAll(os.Stdin)
	log, err := os.OpenFile(os.Getenv("AZ_LOG"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		fmt.Fprintln(os.Stderr, "ERROR: AZ_LOG:", err)
		return 1
	}
	defer log.Close()
	given := map[bool]string{true: "some", false: "none"}[len(stdin) > 0]
	fmt.Fprintf(log, "az %s (standard input: %s)\n", strings.Join(args, " "), given)
	if os.Getenv("AZ_INTERRUPTED") != "" {
		parent, _ := os.FindProcess(os.Getppid())
		parent.Signal(os.Interrupt)
		time.Sleep(time.Hour) // the parent ends us
	}
	if os.Getenv("AZ_FAILS") != "" {
		fmt.Fprintln(os.Stderr, "ERROR: az is unwell")
		return 1
	}
	if args[0] == "cloud" {
		if err := os.WriteFile(filepath.Join(os.Getenv("AZURE_CONFIG_DIR"), "clouds.config"), stdin, 0o600); err != nil {
			return 1
		}
	}
	return 0
}

// TestScripts runs testdata/*.txtar through the real main, each in an empty home.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(e *testscript.Env) error {
			e.Setenv("HOME", e.WorkDir)
			e.Setenv("AZ_LOG", filepath.Join(e.WorkDir, "az.log"))
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"status": status, "ready": ready, "occupy": occupy, "newer": newer, "private": private,
			"principal": principal, "identity": managedIdentity, "reader": reader,
			"call": call, "officer": officer, "team": team, "request": lastRequest,
			"cluster": cluster, "gone": gone, "federate": federate, "told": holds, "plane": plane, "empty": empty,
			"hook": hook, "locked": locked, "rules": deployRules, "ask": ask, "refuse": refuse, "step": writeStep, "same": same,
		},
	})
}

// status runs a command and compares its exit code, as in: status 2 aksid --bad.
func status(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: status CODE COMMAND [ARGUMENT...]")
	}
	got, err := "0", ts.Exec(args[1], args[2:]...)
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		got = strconv.Itoa(exit.ExitCode())
	case err != nil:
		ts.Fatalf("%v", err)
	}
	if got != args[0] {
		ts.Fatalf("exit code %s, want %s", got, args[0])
	}
}

// ready waits until the local Azure of a data folder answers and sets what scripts compare with.
func ready(ts *testscript.TestScript, neg bool, args []string) {
	deadline := time.Now().Add(time.Minute) // far more than it takes
	for {
		az, err := local.Find(context.Background(), ts.MkAbs(args[0]))
		if err == nil {
			ts.Setenv("CLIENT", az.ClientID.String())
			ts.Setenv("TENANT", az.Tenant.String())
			ts.Setenv("SUBSCRIPTION", az.Subscriptions[0].ID)
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("not ready: %v", err)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// holds waits until a file holds a text: told FILE TEXT.
func holds(ts *testscript.TestScript, _ bool, args []string) {
	for deadline := time.Now().Add(time.Minute); ; { // far more than it takes
		b, err := os.ReadFile(ts.MkAbs(args[0]))
		if strings.Contains(string(b), args[1]) {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("%s does not hold %q: %v\n%s", args[0], args[1], err, b)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// occupy listens on a port and sets OCCUPIED to the address.
func occupy(ts *testscript.TestScript, _ bool, _ []string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	ts.Defer(func() { l.Close() })
	ts.Setenv("OCCUPIED", l.Addr().String())
}

// newer makes a data folder as a version of the far future would.
func newer(ts *testscript.TestScript, _ bool, args []string) {
	dir := ts.MkAbs(args[0])
	c, err := cloud.Open(context.Background(), cloud.Config{Dir: dir, Addr: "127.0.0.1:0"})
	ts.Check(err)
	ts.Check(c.Close())
	db, err := sql.Open("sqlite", filepath.Join(dir, "aksid.db"))
	ts.Check(err)
	_, err = db.Exec("PRAGMA user_version = 1000")
	ts.Check(errors.Join(err, db.Close()))
}

// private checks that files are there and that nobody but their owner can read them.
func private(ts *testscript.TestScript, _ bool, args []string) {
	for _, name := range args {
		info, err := os.Stat(ts.MkAbs(name))
		ts.Check(err)
		if mode := info.Mode().Perm(); mode&0o077 != 0 {
			ts.Fatalf("%s has mode %o", name, mode)
		}
	}
}

// as calls the running local Azure of a data folder as its operator.
func as(ts *testscript.TestScript, dir, method, path string, body, out any) {
	ctx := context.Background()
	az, err := local.Find(ctx, ts.MkAbs(dir))
	ts.Check(err)
	defer az.Client().CloseIdleConnections()
	token, err := az.Token(ctx, az.Operator)
	ts.Check(err)
	ts.Check(az.Call(ctx, token, method, path, body, out))
}

// principal makes a service principal and sets PRINCIPAL to its client id: principal FOLDER NAME.
func principal(ts *testscript.TestScript, _ bool, args []string) {
	var app struct{ AppID string }
	as(ts, args[0], http.MethodPost, "/v1.0/applications", doc{"displayName": args[1]}, &app)
	as(ts, args[0], http.MethodPost, "/v1.0/servicePrincipals", doc{"appId": app.AppID}, nil)
	ts.Setenv("PRINCIPAL", app.AppID)
}

// managedIdentity makes a user-assigned identity in a resource group of its own and sets IDENTITY to its id
// and PRINCIPAL to its object id: identity FOLDER NAME.
func managedIdentity(ts *testscript.TestScript, _ bool, args []string) {
	group := "/subscriptions/" + ts.Getenv("SUBSCRIPTION") + "/resourceGroups/rg-" + args[1]
	as(ts, args[0], http.MethodPut, group+"?api-version=2021-04-01", doc{"location": "westeurope"}, nil)
	var made struct {
		ID         string
		Properties struct{ PrincipalID string }
	}
	id := group + "/providers/Microsoft.ManagedIdentity/userAssignedIdentities/" + args[1]
	as(ts, args[0], http.MethodPut, id+"?api-version=2023-01-31", doc{"location": "westeurope"}, &made)
	ts.Setenv("IDENTITY", made.ID)
	ts.Setenv("PRINCIPAL", made.Properties.PrincipalID)
}

// cluster makes a cluster with an OIDC issuer in a resource group of its own, sets CLUSTER to its id, CONTROL_PLANE to its
// identity's object id and ISSUER to the issuer's URL: cluster FOLDER NAME.
func cluster(ts *testscript.TestScript, _ bool, args []string) {
	group := "/subscriptions/" + ts.Getenv("SUBSCRIPTION") + "/resourceGroups/rg-" + args[1]
	as(ts, args[0], http.MethodPut, group+"?api-version=2021-04-01", doc{"location": "westeurope"}, nil)
	id := group + "/providers/Microsoft.ContainerService/managedClusters/" + args[1]
	as(ts, args[0], http.MethodPut, id+"?api-version=2024-09-01", doc{"location": "westeurope", "identity": doc{"type": "SystemAssigned"}, "properties": doc{
		"oidcIssuerProfile": doc{"enabled": true}, "agentPoolProfiles": []doc{{"name": "nodepool1", "mode": "System"}}}}, nil)
	var made struct {
		Identity   struct{ PrincipalID string }
		Properties struct {
			State  string                     `json:"provisioningState"`
			Issuer struct{ IssuerURL string } `json:"oidcIssuerProfile"`
		}
	}
	for ; made.Properties.State != "Succeeded"; time.Sleep(5 * time.Millisecond) {
		if made.Properties.State == "Failed" {
			ts.Fatalf("the creation of %s failed", args[1])
		}
		as(ts, args[0], http.MethodGet, id+"?api-version=2024-09-01", nil, &made)
	}
	ts.Setenv("CLUSTER", id)
	ts.Setenv("CONTROL_PLANE", made.Identity.PrincipalID)
	ts.Setenv("ISSUER", made.Properties.Issuer.IssuerURL)
}

// same checks that two bundles of evidence are the same to the byte, and says which documents are not: same BUNDLE BUNDLE.
func same(ts *testscript.TestScript, _ bool, args []string) {
	if ts.ReadFile(args[0]) == ts.ReadFile(args[1]) {
		return
	}
	files := map[string]string{}
	one, err := evidence.Read(ts.MkAbs(args[0]))
	ts.Check(err)
	for _, f := range one {
		files[f.Path] = string(f.Data)
	}
	other, err := evidence.Read(ts.MkAbs(args[1]))
	ts.Check(err)
	for _, f := range other {
		if diff := unlike(files[f.Path], string(f.Data)); diff != "" {
			ts.Logf("%s: %s", f.Path, diff)
		}
	}
	ts.Fatalf("%s (%d files) and %s (%d files) are not the same", args[0], len(one), args[1], len(other))
}

// unlike is where two texts begin to differ.
func unlike(a, b string) string {
	was, is := strings.Split(a, "\n"), strings.Split(b, "\n")
	for i := range min(len(was), len(is)) {
		if was[i] != is[i] {
			return fmt.Sprintf("line %d is %.200q and %.200q", i+1, was[i], is[i])
		}
	}
	if len(was) != len(is) {
		return fmt.Sprintf("%d and %d lines", len(was), len(is))
	}
	return ""
}

// empty checks that nothing is in a folder: empty FOLDER.
func empty(ts *testscript.TestScript, _ bool, args []string) {
	all, err := os.ReadDir(ts.MkAbs(args[0]))
	ts.Check(err)
	if len(all) > 0 {
		ts.Fatalf("%s holds %v", args[0], all)
	}
}

// plane waits until a control plane is published in a data folder, or with ! checks that none is: plane FOLDER.
func plane(ts *testscript.TestScript, neg bool, args []string) {
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		found, err := filepath.Glob(filepath.Join(ts.MkAbs(args[0]), "kubernetes", "*"+local.ServerSuffix+".json"))
		ts.Check(err)
		switch {
		case neg && len(found) > 0:
			ts.Fatalf("still published: %v", found)
		case neg, len(found) > 0:
			return
		case time.Now().After(deadline):
			ts.Fatalf("no control plane is published")
		}
	}
}

// gone deletes the cluster of cluster and waits until it is no more: gone FOLDER.
func gone(ts *testscript.TestScript, _ bool, args []string) {
	id := ts.Getenv("CLUSTER")
	as(ts, args[0], http.MethodDelete, id+"?api-version=2024-09-01", nil, nil)
	group, name := path.Split(id)
	for {
		var left struct{ Value []struct{ Name string } }
		as(ts, args[0], http.MethodGet, group[:len(group)-1]+"?api-version=2024-09-01", nil, &left)
		if !slices.ContainsFunc(left.Value, func(c struct{ Name string }) bool { return c.Name == name }) {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// federate lets the service account of a subject act as $IDENTITY and sets CLIENT_ID to its client id: federate FOLDER SUBJECT.
func federate(ts *testscript.TestScript, _ bool, args []string) {
	var identity struct{ Properties struct{ ClientID string } }
	as(ts, args[0], http.MethodPut, ts.Getenv("IDENTITY")+"/federatedIdentityCredentials/pod?api-version=2023-01-31", doc{"properties": doc{
		"issuer": ts.Getenv("ISSUER"), "subject": args[1], "audiences": []string{"api://AzureADTokenExchange"}}}, nil)
	as(ts, args[0], http.MethodGet, ts.Getenv("IDENTITY")+"?api-version=2023-01-31", nil, &identity)
	ts.Setenv("CLIENT_ID", identity.Properties.ClientID)
}

// call calls the running local Azure as its operator, with a file's text as body if there is one: call FOLDER METHOD PATH [FILE].
// Variables in the file are set in.
func call(ts *testscript.TestScript, _ bool, args []string) {
	var body any
	if len(args) > 3 {
		ts.Check(json.Unmarshal([]byte(os.Expand(ts.ReadFile(args[3]), ts.Getenv)), &body))
	}
	as(ts, args[0], args[1], args[2], body, nil)
}

// officer makes a service principal with a built-in role on the subscription: officer FOLDER NAME ROLE.
func officer(ts *testscript.TestScript, neg bool, args []string) {
	principal(ts, neg, args[:2])
	var found struct{ Value []struct{ ID string } }
	as(ts, args[0], http.MethodGet, "/v1.0/servicePrincipals?$filter=appId%20eq%20'"+ts.Getenv("PRINCIPAL")+"'", nil, &found)
	if len(found.Value) != 1 {
		ts.Fatalf("no principal %s", args[1])
	}
	ts.Setenv("OBJECT", found.Value[0].ID)
	assign(ts, args[0], args[2], found.Value[0].ID)
}

// team makes a group with a built-in role on the subscription, of which the service principal OBJECT is member and owner:
// team FOLDER NAME ROLE.
func team(ts *testscript.TestScript, _ bool, args []string) {
	var group struct{ ID string }
	as(ts, args[0], http.MethodPost, "/v1.0/groups", doc{"displayName": args[1], "mailNickname": args[1], "mailEnabled": false, "securityEnabled": true}, &group)
	for _, list := range []string{"members", "owners"} {
		as(ts, args[0], http.MethodPost, "/v1.0/groups/"+group.ID+"/"+list+"/$ref", doc{"@odata.id": "https://graph.microsoft.com/v1.0/directoryObjects/" + ts.Getenv("OBJECT")}, nil)
	}
	assign(ts, args[0], args[2], group.ID)
}

// assign gives somebody a built-in role on the subscription.
func assign(ts *testscript.TestScript, folder, role, object string) {
	r, ok := rbac.BuiltInRole(role)
	if !ok {
		ts.Fatalf("no role %s", role)
	}
	sub := "/subscriptions/" + ts.Getenv("SUBSCRIPTION")
	as(ts, folder, http.MethodPut, sub+"/providers/Microsoft.Authorization/roleAssignments/"+azure.NewGUID().String()+"?api-version=2022-04-01", doc{"properties": doc{
		"roleDefinitionId": sub + "/providers/Microsoft.Authorization/roleDefinitions/" + r.ID.String(), "principalId": object,
	}}, nil)
}

// lastRequest sets a variable to the id of the last request in a break-glass record: request VARIABLE FILE.
func lastRequest(ts *testscript.TestScript, _ bool, args []string) {
	rec, err := breakglass.File{Path: ts.MkAbs(args[1])}.Read()
	ts.Check(err)
	cases := rec.Cases()
	ts.Setenv(args[0], cases[len(cases)-1].ID)
}

// reader makes a principal a Reader of the subscription: reader FOLDER OBJECT-ID.
func reader(ts *testscript.TestScript, _ bool, args []string) { assign(ts, args[0], "Reader", args[1]) }
