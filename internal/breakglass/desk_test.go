package breakglass

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"aksid/internal/azure"
	"aksid/internal/cloud"
	"aksid/internal/estate"
	"aksid/internal/local"
	"aksid/internal/rbac"
)

// world is a local Azure with a resource group, an identity that can be given roles, and people.
type world struct {
	t      *testing.T
	az     *local.Azure
	sub    azure.ID
	group  azure.ID
	subnet azure.ID
	record File
	tokens map[string]string // by user name, as long as the clock stands
}

type doc = map[string]any

func newWorld(t *testing.T) *world {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	c, err := cloud.Open(t.Context(), cloud.Config{Dir: dir, Addr: l.Addr().String(), Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: c.Handler(), TLSConfig: c.TLS(), ErrorLog: log.New(io.Discard, "", 0)}
	go server.ServeTLS(l, "", "")
	t.Cleanup(func() { server.Close(); c.Close() })
	info := c.Info()
	e := local.Endpoint{URL: "https://localhost:" + strconv.Itoa(l.Addr().(*net.TCPAddr).Port), Addr: l.Addr().String(),
		Tenant: info.Tenant, ClientID: info.OperatorClientID, ObjectID: info.OperatorObjectID}
	for _, s := range info.Subscriptions {
		e.Subscriptions = append(e.Subscriptions, local.Subscription{ID: s.ID, Name: s.Name})
	}
	if err := local.Publish(dir, e); err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, tokens: map[string]string{}, record: File{Path: filepath.Join(t.TempDir(), "record.jsonl")}}
	if w.az, err = local.Find(t.Context(), dir); err != nil {
		t.Fatal(err)
	}
	w.sub = azure.SubscriptionID(e.Subscriptions[0].ID)
	w.group = w.sub.Join("resourceGroups", "rg")
	w.put(w.group, "2021-04-01", doc{"location": "westeurope"}, nil)
	network := w.group.Resource("Microsoft.Network/virtualNetworks", "vnet")
	w.put(network, "2023-09-01", doc{"location": "westeurope", "properties": doc{"addressSpace": doc{"addressPrefixes": []string{"10.0.0.0/8"}},
		"subnets": []doc{{"name": "snet", "properties": doc{"addressPrefix": "10.1.0.0/16"}}}}}, nil)
	w.subnet = network.Join("subnets", "snet")
	return w
}

// operator is a token of the operator's, as good as new: tokens end by the clock that is advanced.
func (w *world) operator() string {
	w.t.Helper()
	token, err := w.az.Token(w.t.Context(), w.az.Operator)
	if err != nil {
		w.t.Fatal(err)
	}
	return token
}

func (w *world) call(method, path string, body, out any) {
	w.t.Helper()
	if err := w.az.Call(w.t.Context(), w.operator(), method, path, body, out); err != nil {
		w.t.Fatal(method, path, err)
	}
}

func (w *world) put(id azure.ID, version string, body, out any) {
	w.t.Helper()
	w.call(http.MethodPut, id.String()+"?api-version="+version, body, out)
}

// identity makes a user-assigned identity and returns its object id.
func (w *world) identity(name string) azure.PrincipalID {
	var made struct {
		Properties struct{ PrincipalID azure.GUID }
	}
	w.put(w.group.Resource("Microsoft.ManagedIdentity/userAssignedIdentities", name), "2023-01-31", doc{"location": "westeurope"}, &made)
	return made.Properties.PrincipalID
}

func (w *world) assign(p azure.PrincipalID, role string, scope azure.ID) {
	r, _ := rbac.BuiltInRole(role)
	w.put(scope.Resource(typeAssignment, azure.NewGUID().String()), "2022-04-01", doc{"properties": doc{
		"roleDefinitionId": w.sub.Resource(typeDefinition, r.ID.String()).String(), "principalId": p.String()}}, nil)
}

// person makes a user, who can take roles up, with a role on the subscription, and returns its user name.
func (w *world) person(name, role string) string {
	var made struct{ ID azure.GUID }
	upn := name + "@example.com"
	w.call(http.MethodPost, "/v1.0/users", doc{"accountEnabled": true, "displayName": name, "mailNickname": name, "userPrincipalName": upn,
		"passwordProfile": doc{"password": "Correct-horse-7", "forceChangePasswordNextSignIn": false}}, &made)
	if role != "" {
		w.assign(made.ID, role, w.sub)
	}
	return upn
}

func (w *world) login(upn string) string {
	if w.tokens[upn] != "" {
		return w.tokens[upn]
	}
	form := url.Values{"grant_type": {"password"}, "client_id": {"04b07795-8ddb-461a-bbee-02f9e1bf7b46"}, "username": {upn}, "password": {"Correct-horse-7"},
		"scope": {w.az.Cloud().Audience + "/.default openid"}}
	resp, err := w.az.Client().PostForm(w.az.URL+"/"+w.az.Tenant.String()+"/oauth2/v2.0/token", form)
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	var answer struct {
		Token string `json:"access_token"`
		Error string `json:"error_description"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil || answer.Token == "" {
		w.t.Fatal(err, answer.Error)
	}
	w.tokens[upn] = answer.Token
	return answer.Token
}

func (w *world) live(token string) estate.Live {
	return estate.Live{From: "local", Cloud: w.az.Cloud(), Transport: w.az.Client(), Credential: static(token)}
}

func (w *world) writer(token string) *estate.Writer {
	out, err := w.live(token).Writer()
	if err != nil {
		w.t.Fatal(err)
	}
	return out
}

type static string

func (s static) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return azcore.AccessToken{Token: string(s), ExpiresOn: time.Now().Add(time.Hour)}, nil
}

// desk is where somebody stands now.
func (w *world) desk(upn string) Desk {
	w.t.Helper()
	token := w.login(upn)
	caller, err := w.live(token).Caller(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	return Desk{Record: w.record, Now: caller.Now, On: w.writer(token), Who: Person{Object: caller.Object, Tenant: caller.Tenant, Name: caller.Name}}
}

func (w *world) advance(d time.Duration) {
	w.t.Helper()
	clear(w.tokens)
	if _, err := w.az.AdvanceClock(w.t.Context(), d); err != nil {
		w.t.Fatal(err)
	}
}

// ask asks for Network Contributor on the subnet.
func (w *world) ask(who string, p azure.PrincipalID, typ string, span time.Duration) string {
	w.t.Helper()
	role, _ := rbac.BuiltInRole("Network Contributor")
	c, err := w.desk(who).Request(w.t.Context(), Asked{Cluster: w.group.Resource(estate.TypeCluster, "c1"), Need: "subnet-join", For: Span(span),
		Grants: []Wanted{{Role: role.ID, RoleName: role.Name, Principal: p, PrincipalType: typ, Scope: w.subnet}}}, "INC-1")
	if err != nil {
		w.t.Fatal(err)
	}
	return c.ID
}

// may reports whether a principal has Network Contributor on the subnet now.
func (w *world) may(p azure.PrincipalID) bool {
	w.t.Helper()
	role, _ := rbac.BuiltInRole("Network Contributor")
	has, err := w.writer(w.operator()).Assigned(w.t.Context(), role.ID, p, w.subnet)
	if err != nil {
		w.t.Fatal(err)
	}
	return has
}

func (w *world) state(id string) State {
	w.t.Helper()
	rec, err := w.record.Read()
	if err != nil {
		w.t.Fatal(err)
	}
	c, err := rec.Case(id)
	if err != nil {
		w.t.Fatal(err)
	}
	clock, err := w.az.Clock(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	return c.State(clock.Now)
}

// expire runs as a job does.
func (w *world) expire(who string) error {
	d := w.desk(who)
	s, err := d.Look(w.t.Context(), []azure.ID{w.sub})
	return errors.Join(err, d.Expire(w.t.Context(), s))
}

// A person is made eligible, and takes the role up.
func TestPerson(t *testing.T) {
	w := newWorld(t)
	oncall, security, hands := w.person("oncall", "Reader"), w.person("security", "User Access Administrator"), w.person("hands", "Reader")
	who := w.desk(hands).Who.Object
	id := w.ask(oncall, who, "User", 12*time.Hour)
	if _, err := w.desk(hands).Approve(t.Context(), id, ""); err == nil || !strings.Contains(err.Error(), "is for hands@example.com") {
		t.Errorf("who is to have the role approves it: %v", err)
	}
	c, err := w.desk(security).Approve(t.Context(), id, "")
	if err != nil || c.Given[0].How != Eligible || w.may(who) {
		t.Fatalf("%+v, has it: %v, %v", c, w.may(who), err)
	}
	var refusal *Refusal
	if _, err := w.desk(hands).Activate(t.Context(), id, 0); !errors.As(err, &refusal) || !slices.Contains(refusal.Limits, "taken up for at most PT8H") {
		t.Errorf("twelve hours are more than PIM allows: %v, %+v", err, refusal)
	}
	if _, err := w.desk(security).Activate(t.Context(), id, time.Hour); !errors.As(err, &refusal) {
		t.Errorf("somebody else takes it up: %v", err)
	}
	if _, err := w.desk(hands).Activate(t.Context(), id, time.Hour); err != nil || !w.may(who) {
		t.Fatalf("has it: %v, %v", w.may(who), err)
	}
	w.advance(2 * time.Hour)
	if w.may(who) {
		t.Error("what was taken up for an hour is there after two")
	}
	if _, err := w.desk(hands).Activate(t.Context(), id, time.Hour); err != nil || !w.may(who) {
		t.Fatal(err)
	}
	if _, err := w.desk(security).Revoke(t.Context(), id, "mended"); err != nil || w.may(who) || w.state(id) != Ended {
		t.Errorf("has it: %v, %s, %v", w.may(who), w.state(id), err)
	}
	if _, err := w.desk(hands).Activate(t.Context(), id, time.Hour); !errors.As(err, &refusal) {
		t.Errorf("it is taken up after its end: %v", err)
	}
}

// PIM's own limits are told, with what else can be done; nothing is left half approved.
func TestLimits(t *testing.T) {
	w := newWorld(t)
	oncall, security := w.person("oncall", "Reader"), w.person("security", "User Access Administrator")
	role, _ := rbac.BuiltInRole("Network Contributor")
	var policies struct {
		Value []struct{ Properties struct{ PolicyID string } }
	}
	w.call(http.MethodGet, w.subnet.String()+"/providers/"+estate.TypePIMPolicy+"?api-version=2020-10-01&$filter="+
		url.QueryEscape("roleDefinitionId eq '"+definitionID(Wanted{Role: role.ID, Scope: w.subnet})+"'"), nil, &policies)
	w.call(http.MethodPatch, policies.Value[0].Properties.PolicyID+"?api-version=2020-10-01", doc{"properties": doc{"rules": []doc{{
		"id": "Expiration_Admin_Assignment", "ruleType": "RoleManagementPolicyExpirationRule", "isExpirationRequired": true, "maximumDuration": "PT1H"}}}}, nil)
	p := w.identity("id1")
	id := w.ask(oncall, p, "ServicePrincipal", 4*time.Hour)
	var refusal *Refusal
	_, err := w.desk(security).Approve(t.Context(), id, "")
	if !errors.As(err, &refusal) || !strings.Contains(refusal.Message, "ExpirationRule") || !slices.Contains(refusal.Limits, "active for at most PT1H") || len(refusal.Instead) != 3 {
		t.Fatalf("%v, %+v", err, refusal)
	}
	if w.state(id) != Approved || w.may(p) {
		t.Errorf("%s, has it: %v", w.state(id), w.may(p))
	}
	if c, err := w.desk(security).Approve(t.Context(), id, Assignment); err != nil || c.Given[0].How != Assignment || !w.may(p) {
		t.Errorf("%v", err)
	}
}

// crashing is an Azure that a run does not come back from, after a number of writes.
type crashing struct {
	Azure
	left int
}

var errCrash = errors.New("the run has ended")

func (c *crashing) dies() bool { c.left--; return c.left < 0 }

func (c *crashing) Put(ctx context.Context, id azure.ID, body any) error {
	if c.dies() {
		return errCrash
	}
	err := c.Azure.Put(ctx, id, body)
	if c.left == 0 {
		return errors.Join(err, errCrash)
	}
	return err
}

func (c *crashing) Ask(ctx context.Context, id azure.ID, body any) (estate.Resource, error) {
	if c.dies() {
		return estate.Resource{}, errCrash
	}
	r, err := c.Azure.Ask(ctx, id, body)
	if c.left == 0 {
		err = errors.Join(err, errCrash)
	}
	return r, err
}

// A run that crashed between what it writes leaves nothing forgotten: it is completed, or ends with its time.
func TestCrash(t *testing.T) {
	w := newWorld(t)
	oncall, security := w.person("oncall", "Reader"), w.person("security", "User Access Administrator")
	n := 0
	for _, how := range []How{Assignment, Active} {
		for left, written := range map[int]bool{0: false, 1: true} { // before or after Azure has taken it
			for _, completed := range []bool{true, false} {
				n++
				p := w.identity("id" + strconv.Itoa(n))
				id := w.ask(oncall, p, "ServicePrincipal", time.Hour)
				d := w.desk(security)
				d.On = &crashing{d.On, left}
				if _, err := d.Approve(t.Context(), id, how); !errors.Is(err, errCrash) {
					t.Fatal(err)
				}
				if w.state(id) != Approved || w.may(p) != written {
					t.Errorf("%s, %d: %s, has it: %v", how, left, w.state(id), w.may(p))
				}
				if completed {
					if _, err := w.desk(security).Approve(t.Context(), id, how); err != nil || w.state(id) != InForce || !w.may(p) {
						t.Errorf("%s, %d, completed: %s, has it: %v, %v", how, left, w.state(id), w.may(p), err)
					}
				}
				w.advance(2 * time.Hour)
				for range 2 { // it is safe to run twice
					if err := w.expire(security); err != nil || w.state(id) != Ended || w.may(p) {
						t.Errorf("%s, %d, expired: %s, has it: %v, %v", how, left, w.state(id), w.may(p), err)
					}
				}
			}
		}
	}
}

// What somebody is about to take away and does not come to is taken away by the next expire.
func TestCrashWhileTakingBack(t *testing.T) {
	w := newWorld(t)
	oncall, security := w.person("oncall", "Reader"), w.person("security", "User Access Administrator")
	p := w.identity("id1")
	id := w.ask(oncall, p, "ServicePrincipal", 4*time.Hour)
	if _, err := w.desk(security).Approve(t.Context(), id, ""); err != nil {
		t.Fatal(err)
	}
	d := w.desk(security)
	d.On = &crashing{d.On, 0}
	if _, err := d.Revoke(t.Context(), id, "mended"); !errors.Is(err, errCrash) || !w.may(p) {
		t.Fatal(err)
	}
	if err := w.expire(security); err != nil || w.may(p) || w.state(id) != Ended {
		t.Errorf("has it: %v, %s, %v", w.may(p), w.state(id), err)
	}
}

// Two who approve at once give it once; two jobs take it away once.
func TestAtOnce(t *testing.T) {
	w := newWorld(t)
	oncall := w.person("oncall", "Reader")
	others := []string{w.person("security", "User Access Administrator"), w.person("lead", "User Access Administrator")}
	p := w.identity("id1")
	id := w.ask(oncall, p, "ServicePrincipal", time.Hour)
	var tasks sync.WaitGroup
	for _, d := range []Desk{w.desk(others[0]), w.desk(others[1])} {
		tasks.Go(func() {
			if _, err := d.Approve(t.Context(), id, Assignment); err != nil && !errors.As(err, new(*Refusal)) {
				t.Error(err)
			}
		})
	}
	tasks.Wait()
	if !w.may(p) || w.state(id) != InForce {
		t.Errorf("has it: %v, %s", w.may(p), w.state(id))
	}
	w.advance(2 * time.Hour)
	for _, d := range []Desk{w.desk(others[0]), w.desk(others[1])} {
		tasks.Go(func() {
			s, err := d.Look(t.Context(), []azure.ID{w.sub})
			if err := errors.Join(err, d.Expire(t.Context(), s)); err != nil {
				t.Error(err)
			}
		})
	}
	tasks.Wait()
	rec, err := w.record.Read()
	if err != nil || w.may(p) || w.state(id) != Ended {
		t.Errorf("has it: %v, %s, %v", w.may(p), w.state(id), err)
	}
	count := map[Verb]int{}
	for _, e := range rec.Entries {
		count[e.Verb]++
	}
	if count[Approve] != 1 || count[End] != 1 || count[Expire] != 1 {
		t.Errorf("%v", count)
	}
}

// With a record that cannot be written, what is over is taken away all the same, and the job says that something is wrong.
func TestExpireWithoutRecord(t *testing.T) {
	w := newWorld(t)
	oncall, security := w.person("oncall", "Reader"), w.person("security", "User Access Administrator")
	p := w.identity("id1")
	id := w.ask(oncall, p, "ServicePrincipal", time.Hour)
	if _, err := w.desk(security).Approve(t.Context(), id, Assignment); err != nil {
		t.Fatal(err)
	}
	w.advance(2 * time.Hour)
	whole, err := w.record.read()
	if err != nil {
		t.Fatal(err)
	}
	w.tamper(whole.Text, "INC-1", "INC-2")
	err = w.expire(security)
	if !errors.As(err, new(*Damaged)) || w.may(p) {
		t.Errorf("has it: %v, %v", w.may(p), err)
	}
}

func (w *world) tamper(text []byte, from, to string) {
	w.t.Helper()
	if err := os.WriteFile(w.record.Path, []byte(strings.Replace(string(text), from, to, 1)), 0o600); err != nil {
		w.t.Fatal(err)
	}
}

// A mark that was changed to last longer is held against the record.
func TestStretchedMark(t *testing.T) {
	w := newWorld(t)
	oncall, security := w.person("oncall", "Reader"), w.person("security", "User Access Administrator")
	p := w.identity("id1")
	id := w.ask(oncall, p, "ServicePrincipal", time.Hour)
	c, err := w.desk(security).Approve(t.Context(), id, Assignment)
	if err != nil {
		t.Fatal(err)
	}
	m := c.Mark()
	m.Until = m.Until.Add(1000 * time.Hour)
	g := c.Asked.Grants[0]
	if err := w.writer(w.operator()).Put(t.Context(), assignmentID(c, 0), doc{"properties": doc{"roleDefinitionId": definitionID(g), "principalId": p.String(), "description": m.String()}}); err != nil {
		t.Fatal(err)
	}
	s, err := w.desk(security).Look(t.Context(), []azure.ID{w.sub})
	if err != nil || len(s.Strays) != 1 || !strings.HasPrefix(s.Strays[0].What, "the record says that it ends at ") {
		t.Errorf("%+v, %v", s, err)
	}
	w.advance(2 * time.Hour)
	if err := w.expire(security); err != nil || w.may(p) {
		t.Errorf("has it: %v, %v", w.may(p), err)
	}
}
