package watch

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"aksid/internal/azure"
	"aksid/internal/estate"
	"aksid/internal/rbac"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
)

// Each kind of notice, from what happens in Azure.
func TestKinds(t *testing.T) {
	custom := azure.MustGUID("12345678-1234-1234-1234-123456789012")
	for _, tc := range []struct {
		name string
		do   func(w *world)
		want []string
	}{
		{"to the kubelet", func(w *world) { w.given(0, kubelet, network, subnet) },
			[]string{"warning role-given: Network Contributor on snet-aks (rg-hub, 22222222-2222-2222-2222-222222222222 subscription) given to kubelet freight-prod-agentpool"}},
		{"to a group that it is in", func(w *world) {
			w.members = []azure.PrincipalID{kubelet}
			w.given(0, team, network, subnet)
		}, []string{"warning role-given: Network Contributor on snet-aks (rg-hub, 22222222-2222-2222-2222-222222222222 subscription) given to group aks-team, which kubelet freight-prod-agentpool is in,",
			"warning group-joined: kubelet freight-prod-agentpool is in group aks-team now"}},
		{"on a subscription", func(w *world) { w.given(0, controlPlane, contributor, azure.SubscriptionID(hub)) },
			[]string{"error high-scope-grant: Contributor on the 22222222-2222-2222-2222-222222222222 subscription given to control plane id-freight-aks"}},
		{"on a subscription, to somebody", func(w *world) { w.given(0, ada, contributor, azure.SubscriptionID(hub)) },
			[]string{"warning high-scope-grant: Contributor on the 22222222-2222-2222-2222-222222222222 subscription given to Ada"}},
		{"on a subscription, to somebody, and little", func(w *world) { w.given(0, ada, acrPull, azure.SubscriptionID(hub)) }, nil},
		{"on the cluster, to somebody", func(w *world) { w.given(0, ada, contributor, clusterID) },
			[]string{"note scope-role-given: Contributor on freight-prod (rg-platform) given to Ada"}},
		{"elsewhere, to somebody", func(w *world) { w.given(0, stranger, contributor, elsewhere) }, nil},
		{"elsewhere, to the kubelet", func(w *world) { w.given(0, kubelet, contributor, elsewhere) },
			[]string{"warning role-given: Contributor on resource group rg-else (22222222-2222-2222-2222-222222222222 subscription) given to kubelet freight-prod-agentpool"}},
		{"taken", func(w *world) {
			for _, g := range w.grants {
				w.taken(0, g)
			}
		}, []string{"warning role-removed: Network Contributor on snet-aks (rg-hub, 22222222-2222-2222-2222-222222222222 subscription) taken from control plane id-freight-aks"}},
		{"that it began", func(w *world) {
			g := w.give(kubelet, network, subnet)
			w.entry(0, estate.Event{Operation: giveRole, Scope: g.ID, Grant: &g, Status: "Started"})
		}, nil},
		{"in an emergency", func(w *world) {
			g := w.give(kubelet, network, subnet)
			m := estate.Mark{Request: "bg-1", Until: start.Add(4 * time.Hour), Requester: ada, Approver: stranger, Cluster: clusterID}
			w.entry(0, estate.Event{Operation: giveRole, Scope: g.ID, Grant: &g, Doc: estate.Doc{"properties": doc{"responseBody": `{"properties":{"description":"` + m.String() + `"}}`}}})
		}, []string{"warning break-glass-used: break-glass bg-1: Network Contributor on snet-aks (rg-hub, 22222222-2222-2222-2222-222222222222 subscription) given to kubelet freight-prod-agentpool until 2026-06-01 12:00 UTC"}},
		{"taken up", func(w *world) {
			g := rbac.Grant{Role: contributor, Principal: ada, Scope: clusterID, Until: start.Add(time.Hour)}
			w.entry(0, estate.Event{Operation: takeUpRole, Scope: clusterID.Join("providers", "Microsoft.Authorization", "roleAssignmentScheduleRequests", "r1"), Grant: &g})
		}, []string{"warning role-activated: Contributor on freight-prod (rg-platform) given to Ada through Privileged Identity Management until 2026-06-01 09:00 UTC"}},
		{"the role it has", func(w *world) {
			w.entry(0, estate.Event{Operation: "Microsoft.Authorization/roleDefinitions/write", Scope: azure.SubscriptionID(hub).Join("providers", "Microsoft.Authorization", "roleDefinitions", network.String())})
		}, []string{"warning role-changed: role Network Contributor, which control plane id-freight-aks holds, was changed"}},
		{"another role", func(w *world) {
			w.entry(0, estate.Event{Operation: "Microsoft.Authorization/roleDefinitions/write", Scope: azure.SubscriptionID(hub).Join("providers", "Microsoft.Authorization", "roleDefinitions", custom.String())})
		}, nil},
		{"the identity", func(w *world) {
			w.entry(0, estate.Event{Operation: "Microsoft.ManagedIdentity/userAssignedIdentities/delete", Scope: idAKS})
		}, []string{"error identity-deleted: control plane id-freight-aks was deleted; one of the same name is another principal, without its roles"}},
		{"another identity", func(w *world) {
			w.entry(0, estate.Event{Operation: "Microsoft.ManagedIdentity/userAssignedIdentities/delete", Scope: idOther})
		}, nil},
		{"a credential", func(w *world) {
			w.entry(0, estate.Event{Operation: "Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials/write", Scope: idAKS.Join("federatedIdentityCredentials", "pod")})
		}, []string{"warning credential-added: federated credential pod added to control plane id-freight-aks"}},
		{"a workload's credential", func(w *world) {
			w.entry(0, estate.Event{Operation: "Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials/delete", Scope: idOther.Join("federatedIdentityCredentials", "pod")})
		}, []string{"note credential-removed: federated credential pod removed from identity id-other"}},
		{"the administrator", func(w *world) {
			w.entry(0, estate.Event{Operation: estate.TypeCluster + "/listClusterAdminCredential/action", Scope: clusterID})
		}, []string{"warning admin-credential: the local administrator's credential of freight-prod was taken"}},
		{"a command", func(w *world) {
			w.entry(0, estate.Event{Operation: estate.TypeCluster + "/runCommand/action", Scope: clusterID})
		}, []string{"warning command-run: a command was run in freight-prod"}},
		{"refused", func(w *world) {
			for range 3 {
				w.refusedTo(0, controlPlane, "Microsoft.Network/virtualNetworks/subnets/join/action", subnet)
			}
			w.refusedTo(0, ada, estate.TypeCluster+"/write", clusterID)
			w.refusedTo(0, ada, "Microsoft.Network/virtualNetworks/write", elsewhere)
		}, []string{"warning refused: Ada was refused Microsoft.ContainerService/managedClusters/write on freight-prod (rg-platform)",
			"error refused: control plane id-freight-aks was refused Microsoft.Network/virtualNetworks/subnets/join/action on snet-aks (rg-hub, 22222222-2222-2222-2222-222222222222 subscription), 3 times"}},
		{"failed for another reason", func(w *world) {
			w.entry(0, estate.Event{Operation: estate.TypeCluster + "/write", Scope: clusterID, Principal: controlPlane, Status: "Failed", SubStatus: "Conflict", HTTP: 409, Doc: estate.Doc{}})
		}, nil},
		{"switched", func(w *world) {
			w.identity = idOther
			w.entry(0, estate.Event{Operation: estate.TypeCluster + "/write", Scope: clusterID})
		}, []string{"error identity-switched: the control plane acts as user-assigned id-other (principal a0000000-0000-0000-0000-000000000003), before as user-assigned id-freight-aks (principal a0000000-0000-0000-0000-000000000001)"}},
		{"above the subscriptions", func(w *world) { w.give(kubelet, contributor, mg) },
			[]string{"error high-scope-grant: Contributor on management group mg-corp given to kubelet freight-prod-agentpool"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newWorld(t)
			x := w.open(w.options())
			if first := w.once(x, 0); len(first) != 0 {
				t.Fatalf("at first %v", lines(first))
			}
			tc.do(w)
			told := w.once(x, 20*time.Minute)
			got := lines(slices.DeleteFunc(slices.Clone(told), func(n Notice) bool { return strings.HasPrefix(n.Kind, "finding-") }))
			if !slices.Equal(got, append([]string{}, tc.want...)) {
				t.Errorf("told\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(tc.want, "\n"))
			}
			for _, n := range told {
				if n.ID == "" || n.Time.IsZero() {
					t.Errorf("incomplete %+v", n)
				}
				if len(n.Events) > 0 && n.Kind != "refused" && n.By != "ada@example.com" {
					t.Errorf("by %q: %s", n.By, n.Text)
				}
			}
			if again := w.once(x, time.Minute); len(again) != 0 {
				t.Errorf("again %v", lines(again))
			}
		})
	}
}

// A refusal is explained: what lacks, what breaks, what ends it.
func TestRefusedExplained(t *testing.T) {
	w := newWorld(t)
	x := w.open(w.options())
	w.once(x, 0)
	w.refusedTo(0, kubelet, "Microsoft.Network/virtualNetworks/subnets/join/action", subnet)
	n := only(w.once(x, time.Minute), "refused")[0]
	if text := strings.Join(n.Detail, "\n"); !strings.Contains(text, "join/action") || !strings.Contains(text, "now: ") {
		t.Errorf("detail %q", text)
	}
	if !slices.ContainsFunc(n.Next, func(s string) bool { return strings.HasPrefix(s, "az role assignment create") }) {
		t.Errorf("next %q", n.Next)
	}
}

// What check finds after a change is told of, and when it ends.
func TestFindings(t *testing.T) {
	w := newWorld(t)
	x := w.open(w.options())
	w.once(x, 0)
	v := w.given(0, controlPlane, contributor, azure.SubscriptionID(platform))
	got := lines(only(w.once(x, time.Minute), "finding-begins"))
	if want := "warning finding-begins: the control plane identity is Contributor on the " + platform + " subscription (broad-role)"; !slices.Contains(got, want) {
		t.Errorf("told %v", got)
	}
	w.taken(0, *v.Grant)
	if got := lines(only(w.once(x, time.Minute), "finding-ends")); len(got) != 1 || !strings.Contains(got[0], "no more: ") {
		t.Errorf("told %v", got)
	}
}

// A secret that ends is told of at the first look and then once a warning.
func TestSecret(t *testing.T) {
	w := newWorld(t)
	w.secret = start.Add(10 * 24 * time.Hour)
	x := w.open(w.options())
	var got []string
	for range 12 {
		for _, n := range only(w.once(x, 24*time.Hour), "secret-expiring") {
			got = append(got, fmt.Sprintf("%d %s %s", n.Time.Day(), n.Severity, n.Text[:48]))
		}
	}
	want := []string{"2 warning the last secret of service principal sp-aks ends", "4 warning the last secret of service principal sp-aks ends",
		"10 warning the last secret of service principal sp-aks ends", "11 error the last secret of service principal sp-aks ende"}
	if !slices.Equal(got, want) {
		t.Errorf("told %q", got)
	}
}

// While less can be read than before, nothing is compared; then it is compared with what was there before.
func TestPartial(t *testing.T) {
	w := newWorld(t)
	o := w.options()
	o.State = filepath.Join(t.TempDir(), "state")
	x := w.open(o)
	w.once(x, 0)
	w.unread = &estate.Refused{Message: "no"}
	w.identity = idOther
	if n := w.once(x, time.Hour); len(n) != 0 {
		t.Errorf("told %v", lines(n))
	}
	w.unread = nil
	if n := only(w.once(x, time.Hour), "identity-switched"); len(n) != 1 {
		t.Errorf("told %v", lines(n))
	}
	s := &scene{Unread: []string{"a", "b"}}
	if got := s.missing(&scene{Unread: []string{"b"}}); !slices.Equal(got, []string{"a"}) {
		t.Errorf("missing %v", got)
	}
}

// A log that cannot be read does not keep the other one from being read, and nothing of it is missed.
func TestLogUnreadable(t *testing.T) {
	w := newWorld(t)
	x := w.open(w.options())
	w.once(x, 0)
	w.busy = func(sub string) error {
		if sub == hub {
			return errors.New("429: too many requests")
		}
		return nil
	}
	w.given(0, kubelet, network, subnet)
	w.given(0, kubelet, network, group)
	w.now = w.now.Add(time.Minute)
	told, incomplete, err := x.Once(t.Context())
	if err != nil || !incomplete || len(only(told, "role-given")) != 1 {
		t.Errorf("%v, incomplete %v, %v", lines(told), incomplete, err)
	}
	w.busy = nil
	if n := only(w.once(x, 30*time.Hour), "role-given"); len(n) != 1 || n[0].Scope.Key() != subnet.Key() {
		t.Errorf("then %v", lines(n))
	}
}

// Entries are neither missed nor told twice where this machine's clock is wrong.
func TestClockSkew(t *testing.T) {
	for _, skew := range []time.Duration{-3 * time.Hour, 3 * time.Hour} {
		w := newWorld(t)
		w.skew = skew
		w.entry(0, estate.Event{Time: start.Add(-2 * time.Minute), Operation: "Microsoft.Network/virtualNetworks/write", Scope: subnet.Parent()})
		x := w.open(w.options())
		w.once(x, 0)
		for range 10 {
			w.given(10*time.Minute, kubelet, network, subnet)
			w.now = w.now.Add(30 * time.Minute)
			if n := only(w.once(x, 0), "role-given"); len(n) != 1 {
				t.Errorf("skew %s: %d told", skew, len(n))
			}
		}
	}
}

// What Azure no longer has is said once, and the rest is told of.
func TestHistoryMissing(t *testing.T) {
	w := newWorld(t)
	o := w.options()
	o.State = filepath.Join(t.TempDir(), "state")
	x := w.open(o)
	w.once(x, 0)
	x.Close()
	w.given(0, kubelet, network, subnet)
	w.now = w.now.Add(100 * 24 * time.Hour)
	w.given(0, kubelet, acrPull, subnet)
	x = w.open(o)
	told := w.once(x, time.Hour)
	missing := only(told, "history-missing")
	if len(missing) != 2 || !strings.Contains(missing[0].Text, "from 2026-06-01 08:00 UTC to 2026-06-11 ") {
		t.Errorf("told %q", lines(missing))
	}
	if n := only(told, "role-given"); len(n) != 1 || n[0].Role != "AcrPull" {
		t.Errorf("told %q", lines(n))
	}
	if again := w.once(x, time.Hour); len(again) != 0 {
		t.Errorf("again %v", lines(again))
	}
}

// A role that was given in an emergency is known as such when it is taken, whether the log still says what it was or not.
func TestBreakGlassEnded(t *testing.T) {
	for _, told := range []bool{false, true} {
		w := newWorld(t)
		g := w.give(kubelet, network, subnet)
		g.Condition = estate.Mark{Request: "bg-1", Until: start.Add(4 * time.Hour), Requester: ada, Approver: stranger, Cluster: clusterID}.String()
		w.grants[g.ID.Key()] = g // the world writes it as the description
		x := w.open(w.options())
		w.once(x, 0)
		v := w.taken(0, g)
		if told {
			v.Grant = &g
		}
		want := "note break-glass-ended: break-glass bg-1: Network Contributor on snet-aks (rg-hub, " + hub + " subscription) taken from kubelet freight-prod-agentpool"
		if got := lines(only(w.once(x, time.Minute), "break-glass-ended", "role-removed")); !slices.Equal(got, []string{want}) {
			t.Errorf("told %q", got)
		}
	}
}

// A role that is taken is known by name also when the log says so long after it is gone.
func TestTakenLate(t *testing.T) {
	w := newWorld(t)
	x := w.open(w.options())
	w.once(x, 0)
	for _, g := range w.grants {
		w.taken(50*time.Minute, g)
	}
	var told []Notice
	for range 6 {
		told = append(told, w.once(x, 16*time.Minute)...)
	}
	if n := only(told, "role-removed"); len(n) != 1 || n[0].Role != "Network Contributor" {
		t.Errorf("told %v", lines(told))
	}
}

func TestState(t *testing.T) {
	w := newWorld(t)
	o := w.options()
	o.State = filepath.Join(t.TempDir(), "state")
	x := w.open(o)
	w.once(x, 0)
	if _, err := Open(o); !errors.Is(err, ErrState) || !strings.Contains(err.Error(), fmt.Sprintf("in use by another process (process %d); give each watcher a file of its own", os.Getpid())) {
		t.Errorf("second: %v", err)
	}
	x.Close()
	info, err := os.Stat(o.State)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	good, _ := os.ReadFile(o.State)
	for name, tc := range map[string]struct{ text, want string }{
		"cut":     {string(good[:len(good)/2]), "is no state of aksid watch, or only a part of one"},
		"empty":   {"", "is no state of aksid watch"},
		"other":   {`{"format":"x"}`, "is no state of aksid watch"},
		"changed": {strings.Replace(string(good), "freight-prod", "freight-test", 1), "is not as aksid wrote it: its SHA-256 does not fit"},
		"newer":   {strings.Replace(string(good), `"version":1`, `"version":2`, 1), "has version 2, and this aksid knows version 1"},
		"of":      {"", ""},
	} {
		p := o
		if name == "of" {
			p.Of, tc.text, tc.want = "elsewhere", string(good), "is of test, and this is elsewhere"
		}
		if err := os.WriteFile(o.State, []byte(tc.text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(p); !errors.Is(err, ErrState) || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzState(f *testing.F) {
	f.Add([]byte(`{"format":"aksid watch state","sha256":"","state":{"version":1}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		if s, err := decodeState(text); (s == nil) == (err == nil) {
			t.Errorf("%v, %v", s, err)
		}
	})
}

// A management group's own log tells who gave a role there, once. Where few may read it, the role is told of all the same, and
// that the log is closed is said once and makes no look incomplete.
func TestUpperLogs(t *testing.T) {
	closed := func(log string) error {
		if strings.HasPrefix(log, "/") {
			return &estate.Refused{Message: "closed", Cause: &azcore.ResponseError{StatusCode: http.StatusForbidden}}
		}
		return nil
	}
	for _, c := range []struct {
		name string
		busy func(string) error
		who  string // did it, as the notice says
	}{{"open", nil, "ada@example.com"}, {"closed", closed, ""}} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			w.busy = c.busy
			w.give(controlPlane, contributor, mg)
			o := w.options()
			var notes []string
			o.Note = func(format string, args ...any) { notes = append(notes, fmt.Sprintf(format, args...)) }
			x := w.open(o)
			w.once(x, 0)
			w.given(5*time.Minute, kubelet, network, mg)
			var told []Notice
			for range 4 {
				w.now = w.now.Add(10 * time.Minute)
				n, incomplete, err := x.Once(t.Context())
				if err != nil || incomplete {
					t.Fatal(err, incomplete)
				}
				told = append(told, only(n, "high-scope-grant")...)
			}
			if len(told) != 1 || !strings.Contains(lines(told)[0], "Network Contributor on management group mg-corp") || told[0].By != c.who {
				t.Errorf("told %q", lines(told))
			}
			if n := len(slices.DeleteFunc(notes, func(s string) bool { return !strings.HasPrefix(s, "closed; ") })); c.busy != nil && n != 1 || c.busy == nil && n != 0 {
				t.Errorf("notes %q", notes)
			}
		})
	}
}
