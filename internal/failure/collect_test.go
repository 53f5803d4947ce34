package failure

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"aksid/internal/azure"
	"aksid/internal/estate"
)

const (
	cp   = "11111111-aaaa-bbbb-cccc-000000000001"
	sub  = "/subscriptions/22222222-2222-2222-2222-222222222222"
	disk = sub + "/resourceGroups/mc/providers/Microsoft.Compute/disks/"
)

func plainRefusal(oid, action, scope string) string {
	return azure.AuthorizationFailed.Format(azure.Fields{"client": oid, "oid": oid, "action": action, "scope": scope}).Error()
}

func at(t *testing.T, s string) time.Time {
	t.Helper()
	v, err := time.Parse(time.RFC3339, s)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// TestGrouping: what one grant would end is one failure, with all its resources, its count and its times.
func TestGrouping(t *testing.T) {
	text := "2026-01-01T10:00:00Z ERROR " + plainRefusal(cp, "Microsoft.Compute/disks/read", disk+"a") + "\n" +
		"2026-01-01T11:00:00Z ERROR " + plainRefusal(cp, "Microsoft.Compute/disks/read", disk+"b") + "\n" +
		"2026-01-01T09:00:00Z ERROR " + plainRefusal(cp, "microsoft.compute/DISKS/read", disk+"A") + "\n" +
		"2026-01-01T12:00:00Z ERROR " + plainRefusal(cp, "Microsoft.Compute/disks/write", disk+"a") + "\n" +
		"2026-01-01T12:00:00Z INFO " + plainRefusal("other", "Microsoft.Compute/disks/read", disk+"a") + "\n"
	failures := ParseString(text)
	if len(failures) != 3 {
		t.Fatalf("%d failures", len(failures))
	}
	f := failures[0]
	if f.Count != 3 || !f.FirstSeen.Equal(at(t, "2026-01-01T09:00:00Z")) || !f.LastSeen.Equal(at(t, "2026-01-01T11:00:00Z")) {
		t.Errorf("count %d from %s to %s", f.Count, f.FirstSeen, f.LastSeen)
	}
	if !slices.Equal(f.Scopes, []string{disk + "a", disk + "b"}) {
		t.Errorf("scopes %v", f.Scopes)
	}
}

func TestCounts(t *testing.T) {
	for name, c := range map[string]struct {
		text  string
		count int
	}{
		"described event":        {"  Warning  SyncLoadBalancerFailed  3m6s (x9 over 17m)  service-controller  Error syncing load balancer: " + plainRefusal(cp, "a/read", disk), 9},
		"event document":         {`{"kind":"Event","involvedObject":{"name":"x"},"count":12,"message":"` + plainRefusal(cp, "a/read", disk) + `"}`, 12},
		"az prints twice":        {"ERROR: " + plainRefusal(cp, "a/read", disk) + "\nCode: AuthorizationFailed\nMessage: " + plainRefusal(cp, "a/read", disk), 1},
		"two log lines":          {"E0101 00:00:01.000000 1 a.go:1] " + plainRefusal(cp, "a/read", disk) + "\nE0101 00:00:01.000000 1 a.go:1] " + plainRefusal(cp, "a/read", disk), 2},
		"runner, a minute apart": {"2026-01-01T10:00:00.1234567Z x " + plainRefusal(cp, "a/read", disk) + "\n2026-01-01T10:01:00.1234567Z x " + plainRefusal(cp, "a/read", disk), 2},
		"runner, at once":        {"2026-01-01T10:00:00.1234567Z x " + plainRefusal(cp, "a/read", disk) + "\n2026-01-01T10:00:00.2234567Z x " + plainRefusal(cp, "a/read", disk), 1},
	} {
		failures := ParseString(c.text)
		if len(failures) != 1 || failures[0].Count != c.count {
			t.Errorf("%s: %d failures, count %d, want %d", name, len(failures), firstOf(failures).Count, c.count)
		}
	}
}

func TestTimes(t *testing.T) {
	refused := plainRefusal(cp, "a/read", disk)
	for name, text := range map[string]string{
		"json epoch":     `{"ts":1767261600.123,"msg":"` + refused + `"}`,
		"json":           `{"time":"2026-01-01T10:00:00Z","msg":"` + refused + `"}`,
		"logfmt":         `time="2026-01-01T10:00:00Z" level=error msg="` + refused + `"`,
		"activity log":   `[{"eventTimestamp":"2026-01-01T10:00:00.5Z","properties":{"statusMessage":"` + refused + `"}}]`,
		"entra":          "AADSTS70023: too long\r\nTimestamp: 2026-01-01 10:00:00Z",
		"slashes":        "2026/01/01 10:00:00 " + refused,
		"another zone":   "2026-01-01T12:00:00+02:00 " + refused,
		"container line": "2026-01-01T10:00:00.123456789Z stderr F " + refused,
	} {
		f := firstOf(ParseString(text))
		if f.FirstSeen == nil || !f.FirstSeen.Truncate(time.Second).Equal(at(t, "2026-01-01T10:00:00Z")) {
			t.Errorf("%s: first seen %v", name, f.FirstSeen)
		}
	}
	f := firstOf(ParseString(`{"kind":"Event","involvedObject":{},"firstTimestamp":"2026-01-01T10:00:00Z","lastTimestamp":"2026-01-01T12:00:00Z","count":3,"message":"` + refused + `"}`))
	if f.LastSeen == nil || f.LastSeen.Sub(*f.FirstSeen) != 2*time.Hour {
		t.Errorf("from %v to %v", f.FirstSeen, f.LastSeen)
	}
}

// TestConsequences: what waits is told under its cause, whichever comes first, and not as a failure of its own.
func TestConsequences(t *testing.T) {
	refused := "Warning  SyncLoadBalancerFailed  1s  service-controller  Error syncing load balancer: failed to ensure load balancer: " + plainRefusal(cp, "Microsoft.Network/loadBalancers/write", sub+"/resourceGroups/mc/providers/Microsoft.Network/loadBalancers/kubernetes") + "\n"
	waits := "Warning  SyncLoadBalancerFailed  1s  service-controller  Error syncing load balancer: failed to ensure load balancer: timed out waiting for the condition\n"
	pull := "Warning  Failed  1s  kubelet  Failed to pull image \"a.azurecr.io/b:1\": failed to authorize: failed to fetch oauth token: 401 Unauthorized\n"
	backOff := "Normal  BackOff  1s  kubelet  Back-off pulling image \"a.azurecr.io/b:1\"\nWarning  Failed  1s  kubelet  Error: ImagePullBackOff\n"
	for name, c := range map[string]struct {
		text string
		want []string
	}{
		"cause first":        {refused + waits + waits, []string{"something else timed out waiting for it 2"}},
		"consequence first":  {waits + refused, []string{"something else timed out waiting for it 1"}},
		"pods under a pull":  {pull + backOff, []string{"pods wait in ImagePullBackOff 2"}},
		"each under its own": {pull + refused + waits + backOff, []string{"pods wait in ImagePullBackOff 2", "something else timed out waiting for it 1"}},
	} {
		var got []string
		failures := ParseString(c.text)
		for _, f := range failures {
			for _, cons := range f.Consequences {
				got = append(got, fmt.Sprintf("%s %d", cons.Text, cons.Count))
			}
		}
		slices.Sort(got)
		if !slices.Equal(got, c.want) || len(failures) != len(c.want) {
			t.Errorf("%s: %d failures, %q, want %q", name, len(failures), got, c.want)
		}
	}
	if f := firstOf(ParseString(waits)); f.Kind != Unknown || f.Actor != Nobody {
		t.Errorf("a time-out alone is %s of %s", f.Kind, f.Actor)
	}
}

// TestDeployment: what one principal lacks in one deployment is one failure; a quota beside it is another.
func TestDeployment(t *testing.T) {
	inner := func(code, message string) string {
		b, _ := json.Marshal(map[string]any{"error": map[string]string{"code": code, "message": message}})
		return string(b)
	}
	var details []map[string]string
	for _, m := range []string{
		inner("AuthorizationFailed", plainText(azure.AuthorizationFailed, "A/write", "/s/a")), inner("AuthorizationFailed", plainText(azure.AuthorizationFailed, "B/write", "/s/b")),
		inner("QuotaExceeded", "no more"),
	} {
		details = append(details, map[string]string{"code": "Forbidden", "message": m})
	}
	b, err := json.MarshalIndent(map[string]any{"error": map[string]any{"code": "DeploymentFailed", "message": "At least one resource deployment operation failed.", "details": details}}, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	failures := ParseString(string(b))
	if len(failures) != 2 || !slices.Equal(failures[0].Actions, []string{"A/write", "B/write"}) || failures[1].Kind != Quota || failures[1].IdentityRelated {
		t.Errorf("%+v", failures)
	}
}

func plainText(m *azure.Message, action, scope string) string {
	return m.Format(azure.Fields{"client": "c", "oid": "o", "action": action, "scope": scope}).Message
}

// TestSecrets: nothing that looks like a secret is printed back.
func TestSecrets(t *testing.T) {
	for _, secret := range []string{
		"eyJ0eXAiOiJKV1QiLCJhbGciOiJSUzI1NiJ9.eyJvaWQiOiJ4In0.c2lnbmF0dXJl", "abc8Q~0123456789abcdefghijklmnopqrstuvwx", "sig=aBcDeFgH%2B%3D",
		"QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVowMTIzNDU2Nzg5QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVowMTIzNA==", "password=hunter2hunter2",
	} {
		for _, text := range []string{
			plainRefusal(secret, "A/read", "/subscriptions/s"),
			plainRefusal("c", "A/read", "/subscriptions/s/"+secret),
			plainRefusal("c", secret, "/subscriptions/s"),
			"AADSTS900023: Specified tenant identifier '" + secret + "' is neither a valid DNS name, nor a valid external domain.",
			"AADSTS700213: No matching federated identity record found for presented assertion subject '" + secret + "'.",
			"AADSTS700016: Application with identifier '" + secret + "' was not found in the directory 'x'. This can happen if the application has not been installed by the administrator of the tenant",
			"Authorization: Bearer " + secret + "\n" + plainRefusal("c", "A/read", "/subscriptions/s"),
		} {
			for _, f := range ParseString(text) {
				b, err := json.Marshal(f)
				if err != nil {
					t.Fatal(err)
				}
				if printed := string(b) + fmt.Sprint(f.Remedy.Changes); strings.Contains(printed, secret) || strings.Contains(printed, secret[:len(secret)-4]) {
					t.Errorf("%q is printed: %s", secret, printed)
				}
			}
		}
	}
}

// TestRemedies: the least that helps, as commands that can be copied; nothing of a text can break out of them.
func TestRemedies(t *testing.T) {
	subnet := sub + "/resourceGroups/hub/providers/Microsoft.Network/virtualNetworks/v/subnets/s"
	linked := func(oid, scope string) string {
		return azure.LinkedAuthorizationFailed.Format(azure.Fields{"client": oid, "oid": oid, "action": "Microsoft.Network/loadBalancers/write",
			"scope": sub + "/x", "linkedAction": "Microsoft.Network/virtualNetworks/subnets/join/action", "linkedScope": scope}).Error()
	}
	for name, c := range map[string]struct{ text, want string }{
		"linked scope": {linked(cp, subnet), "Network Contributor to " + cp + " at " + subnet},
		"list":         {plainRefusal(cp, "Microsoft.Network/publicIPAddresses/read", sub+"/resourceGroups/g/providers/Microsoft.Network"), "Network Contributor to " + cp + " at " + sub + "/resourceGroups/g"},
		"to create":    {plainRefusal(cp, "Microsoft.Compute/snapshots/write", sub+"/resourceGroups/g/providers/Microsoft.Compute/snapshots/s"), "Disk Snapshot Contributor to " + cp + " at " + sub + "/resourceGroups/g"},
		"assignment":   {plainRefusal(cp, "Microsoft.Authorization/roleAssignments/write", subnet+"/providers/Microsoft.Authorization/roleAssignments/x"), "Role Based Access Control Administrator to " + cp + " at " + subnet},
		"to be there":  {"checking for presence of existing Snapshot: " + plainRefusal(cp, "Microsoft.Compute/snapshots/read", sub+"/resourceGroups/g/providers/Microsoft.Compute/snapshots/s"), "Disk Snapshot Contributor to " + cp + " at " + sub + "/resourceGroups/g"},
		"group":        {plainRefusal(cp, "Microsoft.Resources/subscriptions/resourcegroups/write", sub+"/resourcegroups/g"), "Contributor to " + cp + " at " + sub},
		"provider":     {plainRefusal(cp, "Microsoft.Network/register/action", sub), "az provider register --namespace Microsoft.Network"},
		"masked":       {linked("***", subnet), `az role assignment create --assignee-object-id '***' --assignee-principal-type ServicePrincipal --role "Network Contributor" --scope ` + subnet},
		"hostile":      {linked("x'; rm -rf ~; '", subnet), `az role assignment create --assignee-object-id x --assignee-principal-type ServicePrincipal --role "Network Contributor" --scope ` + subnet},
		"hostile host": {`failed to pull "$(reboot).azurecr.io/x": 401 Unauthorized`, ""},
		"registry":     {`failed to pull "acr1.azurecr.io/x": 401 Unauthorized`, `az role assignment create --assignee-object-id <object id> --assignee-principal-type ServicePrincipal --role "AcrPull" --scope $(az acr show -n acr1 --query id -o tsv)`},
		"federation":   {"AADSTS70021: No matching federated identity record found for presented assertion. Assertion Issuer: 'https://i/'. Assertion Subject: 'system:serviceaccount:a:b'. Assertion Audience: 'api://AzureADTokenExchange'.", "az identity federated-credential create --name <name> -g <resource group> --identity-name <identity> --issuer https://i/ --subject system:serviceaccount:a:b --audiences api://AzureADTokenExchange"},
		"deny":         {azure.DenyAssignmentAuthorizationFailed.Format(azure.Fields{"client": cp, "oid": cp, "action": "A/write", "scope": "/s", "name": "n", "id": "i", "denyScope": "/s"}).Error(), ""},
		"deployment": {"InvalidTemplateDeployment: " + template(cp, "Microsoft.Network/natGateways/write", sub+"/resourceGroups/g/providers/Microsoft.Network/natGateways/n") + ":" +
			template(cp, "Microsoft.Storage/storageAccounts/read", sub+"/resourceGroups/G/providers/Microsoft.Storage/storageAccounts/s") + ":" +
			template(cp, "Microsoft.Network/natGateways/write", sub+"/resourcegroups/g/providers/Microsoft.Network/natGateways/m"),
			"Network Contributor to " + cp + " at " + sub + "/resourceGroups/gReader to " + cp + " at " + sub + "/resourceGroups/G/providers/Microsoft.Storage/storageAccounts/s"},
		"first party": {strings.Replace(plainRefusal(cp, "A/read", sub), "client '"+cp, "client '7319c514-987d-4e9b-ac3d-d38c4f427f4c", 1), ""},
		"malformed":   {plainRefusal(cp, "Microsoft.Resources/subscriptions/resourceGroups/Microsoft.Compute/read", sub+"/resourceGroups/providers/Microsoft.Compute/x"), ""},
	} {
		r := firstOf(ParseString(c.text)).Remedy
		got := strings.Join(r.Az, "; ")
		for _, change := range r.Changes {
			a := change.(estate.Assign)
			got += fmt.Sprintf("%s to %s at %s", a.Role, a.Principal, a.Scope)
		}
		if got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

func template(oid, action, scope string) string {
	return azure.TemplateAuthorizationFailed.Format(azure.Fields{"name": "n", "type": "t", "client": oid, "oid": oid, "action": action, "scope": scope}).Message
}

// TestRefusals: whatever Azure refuses, in whatever wrapping, is read back to the same principal, action and scope.
func TestRefusals(t *testing.T) {
	r := rand.New(rand.NewPCG(21, 22))
	messages := []*azure.Message{azure.AuthorizationFailed, azure.AuthorizationFailedCondition, azure.LinkedAuthorizationFailed, azure.LinkedAuthorizationFailedOld,
		azure.LinkedAuthorizationFailedDenied, azure.LinkedAccessCheckFailed, azure.TemplateAuthorizationFailed, azure.GatewaySubnetNotJoinable, azure.DenyAssignmentAuthorizationFailed,
		azure.CustomPrivateDNSZoneMissingPermission, azure.ResourceMissingPermission, azure.CustomRouteTableMissingPermission, azure.VaultForbiddenByRBAC, azure.VaultAccessDenied, azure.PrincipalNotFound}
	for i := range 3000 {
		m := messages[i%len(messages)]
		fields := randomFields(r, m)
		e := m.Format(fields)
		text := clients[r.IntN(len(clients))](e)
		if r.IntN(2) == 0 {
			text = wrappers[r.IntN(len(wrappers))].wrap(r, text)
		}
		f := firstOf(ParseString(text))
		if wrong := differs(f, m, fields); wrong != "" {
			t.Errorf("%s: %s\nin %s\nread %+v", m.Code, wrong, text, f)
		}
	}
}

// clients print an error of ARM as the Azure CLI, the SDKs and the cloud provider do.
var clients = []func(*azure.Error) string{
	func(e *azure.Error) string {
		return fmt.Sprintf("ERROR: (%s) %s\nCode: %s\nMessage: %s\n", e.Code, e.Message, e.Code, e.Message)
	},
	func(e *azure.Error) string {
		return fmt.Sprintf("PUT https://management.azure.com/x\n%[1]s\nRESPONSE %[2]d: %[2]d Refused\nERROR CODE: %[3]s\n%[1]s\n%[4]s\n%[1]s\n", strings.Repeat("-", 80), e.Status, e.Code, e.Body())
	},
	func(e *azure.Error) string {
		return fmt.Sprintf("Retriable: false, RetryAfter: 0s, HTTPStatusCode: %[1]d, RawError: Retriable: false, RetryAfter: 0s, HTTPStatusCode: %[1]d, RawError: %[2]s", e.Status, e.Body())
	},
	func(e *azure.Error) string {
		return fmt.Sprintf("network.X#CreateOrUpdate: Failure sending request: StatusCode=0 -- Original Error: autorest/azure: Service returned an error. Status=%d Code=%q Message=%q", e.Status, e.Code, e.Message)
	},
	func(e *azure.Error) string {
		return fmt.Sprintf("performing CreateOrUpdate: unexpected status %d with error: %s: %s", e.Status, e.Code, e.Message)
	},
}

func randomFields(r *rand.Rand, m *azure.Message) azure.Fields {
	f := azure.Fields{}
	scope := func() string {
		return fmt.Sprintf("/subscriptions/%s/resourceGroups/rg-%d/providers/Microsoft.Network/virtualNetworks/v%d/subnets/s%d", azure.NewGUID(), r.IntN(100), r.IntN(100), r.IntN(100))
	}
	action := func() string {
		return []string{"Microsoft.Network/loadBalancers/write", "Microsoft.Network/virtualNetworks/subnets/join/action", "Microsoft.Compute/disks/read", "Microsoft.ManagedIdentity/userAssignedIdentities/assign/action"}[r.IntN(4)]
	}
	for _, name := range []string{"client", "oid", "app", "id", "name", "tenant", "vault", "location"} {
		f[name] = azure.NewGUID().String()
	}
	f["action"], f["linkedAction"], f["permission"], f["type"] = action(), action(), "secrets get", "Microsoft.Network/x"
	f["scope"], f["linkedScope"], f["denyScope"], f["issuer"] = scope(), scope()+","+scope(), scope(), "https://sts.windows.net/"+azure.NewGUID().String()+"/"
	f["principal"] = azure.NewGUID().Hex()
	f["n"], f["denied"], f["deniedScope"] = "0", "1", scope()
	if m == azure.LinkedAuthorizationFailedDenied {
		f["linkedScope"] = ""
	}
	return f
}

// differs says which field was not read back.
func differs(f Failure, m *azure.Message, want azure.Fields) string {
	text := m.Text
	has := func(field string) bool { return strings.Contains(text, "{"+field+"}") }
	action, scope := want["action"], want["scope"]
	var linked []string
	if has("linkedAction") {
		action = want["linkedAction"]
		linked = append(scopes(want["linkedScope"]), list(want["deniedScope"])...)
		if m != azure.LinkedAuthorizationFailedDenied {
			linked = scopes(want["linkedScope"])
		}
	}
	switch {
	case has("client") && f.Client != want["client"], has("app") && f.Client != want["app"]:
		return "client"
	case has("oid") && f.ObjectID != want["oid"], has("principal") && f.ObjectID != want["principal"]:
		return "object id"
	case has("action") && !slices.Equal(f.Actions, []string{action}):
		return "action"
	case has("scope") && !slices.Equal(f.Scopes, []string{scope}):
		return "scope"
	case has("linkedAction") && !slices.Equal(f.LinkedScopes, linked):
		return "linked scopes"
	case f.Kind != lexiconOf().byText[m].Kind:
		return "kind"
	}
	return ""
}
