package watch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"aksid/internal/azure"
	"aksid/internal/estate"
	"aksid/internal/rbac"
)

const (
	platform = "11111111-1111-1111-1111-111111111111"
	hub      = "22222222-2222-2222-2222-222222222222"
)

var (
	group     = azure.SubscriptionID(platform).Join("resourceGroups", "rg-platform")
	clusterID = group.Resource(estate.TypeCluster, "freight-prod")
	idAKS     = group.Resource(estate.TypeIdentity, "id-freight-aks")
	idOther   = group.Resource(estate.TypeIdentity, "id-other")
	agentpool = azure.SubscriptionID(platform).Join("resourceGroups", "MC_freight").Resource(estate.TypeIdentity, "freight-prod-agentpool")
	subnet    = azure.SubscriptionID(hub).Join("resourceGroups", "rg-hub").Resource(estate.TypeSubnet, "vnet-hub", "snet-aks")
	elsewhere = azure.SubscriptionID(hub).Join("resourceGroups", "rg-else")
	mg        = azure.MustID("/providers/Microsoft.Management/managementGroups/mg-corp")

	controlPlane = azure.MustGUID("a0000000-0000-0000-0000-000000000001")
	kubelet      = azure.MustGUID("a0000000-0000-0000-0000-000000000002")
	otherID      = azure.MustGUID("a0000000-0000-0000-0000-000000000003")
	stranger     = azure.MustGUID("a0000000-0000-0000-0000-000000000009")
	team         = azure.MustGUID("a0000000-0000-0000-0000-0000000000aa")
	ada          = azure.MustGUID("a0000000-0000-0000-0000-0000000000bb")

	network     = role("Network Contributor")
	contributor = role("Contributor")
	acrPull     = role("AcrPull")
	start       = time.Date(2026, 6, 1, 8, 0, 0, 0, time.UTC)
)

func role(name string) azure.GUID {
	r, ok := rbac.BuiltInRole(name)
	if !ok {
		panic(name)
	}
	return r.ID
}

type doc = map[string]any

// world is an Azure with one cluster: what is there, and its activity log, which is late, out of order and repeats.
type world struct {
	t        *testing.T
	now      time.Time
	skew     time.Duration // of the watcher's clock
	identity azure.ID
	grants   map[string]rbac.Grant
	members  []azure.PrincipalID // of team
	secret   time.Time           // when the service principal's secret ends, if the cluster has one
	unread   error
	log      []arrival
	busy     func(sub string) error // what reading a log fails with; may be nil
	shuffle  *rand.Rand             // may be nil
	reads    []string
}

// arrival is an entry of the log, and when the log has it.
type arrival struct {
	at time.Time
	v  *estate.Event
}

func newWorld(t *testing.T) *world {
	w := &world{t: t, now: start, identity: idAKS, grants: map[string]rbac.Grant{}}
	w.give(controlPlane, network, subnet)
	return w
}

// clock is the watcher's.
func (w *world) clock() time.Time { return w.now.Add(w.skew) }

var serial int

// give adds a role assignment, which no log tells of.
func (w *world) give(p azure.PrincipalID, r azure.GUID, scope azure.ID) rbac.Grant {
	serial++
	g := rbac.Grant{ID: scope.Join("providers", "Microsoft.Authorization", "roleAssignments", fmt.Sprintf("e0000000-0000-0000-0000-%012d", serial)),
		Role: r, Principal: p, PrincipalType: "ServicePrincipal", Scope: scope}
	w.grants[g.ID.Key()] = g
	return g
}

// entry adds an entry to the log, which has it a while later.
func (w *world) entry(late time.Duration, v estate.Event) *estate.Event {
	serial++
	v.ID = fmt.Sprintf("event-%d", serial)
	if v.Time.IsZero() {
		v.Time = w.now
	}
	if v.Status == "" {
		v.Status = "Succeeded"
	}
	if v.Principal.IsZero() {
		v.Principal, v.Caller = ada, "ada@example.com"
	}
	w.log = append(w.log, arrival{w.now.Add(late), &v})
	return &v
}

// given is an entry of a role that is given.
func (w *world) given(late time.Duration, p azure.PrincipalID, r azure.GUID, scope azure.ID) *estate.Event {
	g := w.give(p, r, scope)
	return w.entry(late, estate.Event{Operation: giveRole, Scope: g.ID, Grant: &g})
}

// taken is an entry of a role that is taken. Azure says in it what was taken, the local one does not.
func (w *world) taken(late time.Duration, g rbac.Grant) *estate.Event {
	delete(w.grants, g.ID.Key())
	return w.entry(late, estate.Event{Operation: removeRole, Scope: g.ID})
}

// refusedTo is an entry of something that was refused.
func (w *world) refusedTo(late time.Duration, p azure.PrincipalID, op azure.Action, scope azure.ID) *estate.Event {
	text := fmt.Sprintf("The client '%s' with object id '%s' does not have authorization to perform action '%s' over scope '%s' or the scope is invalid. If access was recently granted, please refresh your credentials.", p, p, op, scope)
	body, _ := json.Marshal(doc{"error": doc{"code": "AuthorizationFailed", "message": text}})
	return w.entry(late, estate.Event{Operation: op, Scope: scope, Principal: p, Caller: p.String(), Status: "Failed", SubStatus: "Forbidden", HTTP: 403,
		Doc: estate.Doc{"eventTimestamp": w.now.Format(time.RFC3339), "properties": doc{"statusMessage": string(body)}}})
}

// EventsBetween implements Log.
func (w *world) EventsBetween(_ context.Context, sub string, from, to time.Time) ([]*estate.Event, int, error) {
	w.reads = append(w.reads, fmt.Sprintf("%s %s", sub[:1], from.Format(time.RFC3339)))
	if from.Before(w.now.Add(-estate.LogKept)) {
		return nil, 0, errors.New("400: the start time cannot be more than 90 days in the past")
	}
	if w.busy != nil {
		if err := w.busy(sub); err != nil {
			return nil, 0, err
		}
	}
	var out []*estate.Event
	for _, a := range w.log {
		if estate.LogOf(a.v.Scope) == sub && !a.at.After(w.now) && !a.v.Time.Before(from.Truncate(time.Second)) && (to.IsZero() || !a.v.Time.After(to)) {
			out = append(out, a.v)
		}
	}
	if w.shuffle != nil {
		out = append(out, out...)
		w.shuffle.Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
	}
	return out, 0, nil
}

// Load implements estate.Source.
func (w *world) Load(ctx context.Context) (*estate.Estate, error) {
	if w.unread != nil {
		return nil, w.unread
	}
	dir := w.t.TempDir()
	w.write(dir, "cluster.json", w.cluster())
	var grants []any
	for _, g := range w.grants {
		grants = append(grants, doc{"id": g.ID.String(), "type": "Microsoft.Authorization/roleAssignments", "properties": doc{
			"roleDefinitionId": "/subscriptions/" + platform + "/providers/Microsoft.Authorization/roleDefinitions/" + g.Role.String(),
			"principalId":      g.Principal.String(), "principalType": g.PrincipalType, "scope": g.Scope.String(), "description": g.Condition}})
	}
	w.write(dir, "grants.json", grants)
	members := []doc{}
	for _, m := range w.members {
		members = append(members, doc{"id": m.String()})
	}
	objects := []doc{{"id": team.String(), "@odata.type": "#microsoft.graph.group", "displayName": "aks-team", "members": members},
		{"id": ada.String(), "@odata.type": "#microsoft.graph.user", "displayName": "Ada"}}
	if !w.secret.IsZero() {
		objects = append(objects, doc{"id": controlPlane.String(), "appId": otherID.String(), "@odata.type": "#microsoft.graph.servicePrincipal", "displayName": "sp-aks",
			"passwordCredentials": []doc{{"keyId": stranger.String(), "endDateTime": w.secret.Format(time.RFC3339)}}})
	}
	w.write(dir, "objects.json", objects)
	return estate.Files{Path: dir}.Load(ctx)
}

func (w *world) cluster() doc {
	out := doc{"id": clusterID.String(), "location": "westeurope", "properties": doc{
		"nodeResourceGroup": "MC_freight", "servicePrincipalProfile": doc{"clientId": "msi"},
		"agentPoolProfiles": []doc{{"name": "system", "type": "VirtualMachineScaleSets", "vnetSubnetID": subnet.String()}},
		"identityProfile":   doc{"kubeletidentity": doc{"resourceId": agentpool.String(), "clientId": "c0000000-0000-0000-0000-000000000002", "objectId": kubelet.String()}},
	}}
	if !w.secret.IsZero() {
		out["properties"].(doc)["servicePrincipalProfile"] = doc{"clientId": otherID.String()}
		delete(out["properties"].(doc), "identityProfile")
		return out
	}
	principal := controlPlane
	if w.identity.Equal(idOther) {
		principal = otherID
	}
	out["identity"] = doc{"type": "UserAssigned", "userAssignedIdentities": doc{
		w.identity.String(): doc{"clientId": "c0000000-0000-0000-0000-000000000001", "principalId": principal.String()}}}
	return out
}

func (w *world) write(dir, name string, v any) {
	text, err := json.Marshal(v)
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, name), text, 0o600)
	}
	if err != nil {
		w.t.Fatal(err)
	}
}

// options are a watcher's of this world, which stops instead of waiting.
func (w *world) options() Options {
	return Options{Source: w, Log: w, Of: "test", Every: time.Minute, Refresh: 15 * time.Minute, Now: w.clock, Note: w.t.Logf}
}

// open begins a watcher, and lets it take in what there is.
func (w *world) open(o Options) *Watcher {
	w.t.Helper()
	x, err := Open(o)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { x.Close() })
	return x
}

// once lets a watcher read what there is, some time later.
func (w *world) once(x *Watcher, later time.Duration) []Notice {
	w.t.Helper()
	w.now = w.now.Add(later)
	told, _, err := x.Once(context.Background())
	if err != nil {
		w.t.Fatal(err)
	}
	return told
}

// lines are notices in short.
func lines(notices []Notice) []string {
	out := []string{}
	for _, n := range notices {
		out = append(out, strings.TrimSpace(fmt.Sprintf("%s %s: %s", n.Severity, n.Kind, n.Text)))
	}
	return out
}

// only are notices of some kinds.
func only(notices []Notice, kinds ...string) []Notice {
	return slices.DeleteFunc(slices.Clone(notices), func(n Notice) bool { return !slices.Contains(kinds, n.Kind) })
}
