package arm

import (
	"bytes"
	"encoding/json"
	"errors"
	"iter"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"aksid/internal/azure"
	"aksid/internal/cloud/directory"
	"aksid/internal/cloud/store"
	"aksid/internal/rbac"
)

// Request is what a client asked for, parsed before any transaction.
type Request struct {
	Method  string
	ID      azure.ID // the resource, or the collection's parent scope
	Type    *Type
	List    bool   // of the collection of Type below ID
	Action  string // POST: the last segment
	Version string
	Query   url.Values
	Header  http.Header
	Body    Doc
	Raw     []byte // the body as it came
	Caller  directory.Caller
	Base    string // https://host, for links in answers

	Remaining string // how many calls of the kind are left, for the answer

	tried bool // it was only tried: what it wrote is taken back

	Correlation, RequestID, ClientRequestID, ClientIP, Path string
}

// Call is one pass through the door inside a transaction: a client's request, or what a provider does on the way.
type Call struct {
	*Request
	Tx  store.Tx
	Now time.Time
	Old Doc // what was there; nil when it is created
	Doc Doc // what is written or was read

	arm     *ARM
	service bool     // a resource provider acts with its own first-party principal
	target  azure.ID // what a delete was asked of, where this call is about something that goes with it
}

// Service reports whether a resource provider acts itself.
func (c *Call) Service() bool { return c.service }

// Target is the resource whose delete this call belongs to: c.ID itself unless it goes with something above it.
func (c *Call) Target() azure.ID {
	if c.target.IsZero() {
		return c.ID
	}
	return c.target
}

// As is a provider's way through the door in the name of another principal, in the same transaction.
func (c *Call) As(caller directory.Caller) *Call {
	if groups := c.arm.cfg.GroupsOf; groups != nil && !caller.Resource.IsZero() {
		caller.Groups = groups(caller.ID)
	}
	r := *c.Request
	r.Caller, r.Header, r.Query, r.Body = caller, http.Header{}, url.Values{}, nil
	return &Call{Request: &r, Tx: c.Tx, Now: c.Now, arm: c.arm}
}

// AsService is As for the resource provider itself: every right where it works, visible in the activity log.
func (c *Call) AsService(namespace string) *Call {
	p := c.arm.reg.service(namespace)
	s := c.As(directory.Caller{ID: p.ID, AppID: p.AppID, Tenant: c.arm.cfg.Tenant, Type: directory.ServicePrincipal})
	s.service = true
	return s
}

// Put writes a resource through the door.
func (c *Call) Put(id azure.ID, body Doc) (Doc, *azure.Error) {
	sub, err := c.sub(http.MethodPut, id, body)
	if err != nil {
		return nil, err
	}
	if _, err := sub.put(); err != nil {
		return nil, err
	}
	return sub.Doc, nil
}

// Delete removes a resource through the door; nothing there is no error.
func (c *Call) Delete(id azure.ID) *azure.Error {
	sub, err := c.sub(http.MethodDelete, id, nil)
	if err != nil {
		return err
	}
	_, err = sub.delete()
	return err
}

// PutPart writes a resource that is a part of the call's own, as the instances of a scale set are: no permission is asked
// for, and the activity log has no entry of its own for it. The body's member "_" is stored.
func (c *Call) PutPart(id azure.ID, body Doc) (Doc, *azure.Error) {
	part, err := c.sub(http.MethodPut, id, body)
	if err != nil {
		return nil, err
	}
	part.service = true
	var e error
	if part.Old, e = c.Load(id); e != nil {
		return nil, Fault(e)
	}
	part.Doc = part.compose()
	if own := Map(body, internal); own != nil {
		part.Doc[internal] = merge(Map(part.Doc, internal), own)
	}
	if err := part.check(); err != nil {
		return nil, err
	}
	return part.Doc, part.write()
}

// DropPart removes a part with everything below it; nothing there is no error.
func (c *Call) DropPart(id azure.ID) *azure.Error {
	part, err := c.sub(http.MethodDelete, id, nil)
	if err != nil {
		return err
	}
	part.service = true
	return part.Remove()
}

func (c *Call) sub(method string, id azure.ID, body Doc) (*Call, *azure.Error) {
	t := c.arm.reg.find(id.Type())
	if t == nil {
		return nil, azure.InvalidNamespace.Format(azure.Fields{"namespace": namespace(id.Type())})
	}
	r := *c.Request
	r.Method, r.ID, r.Type, r.Body, r.List, r.Action = method, id, t, body, false, ""
	r.Path = id.String()
	return &Call{Request: &r, Tx: c.Tx, Now: c.Now, arm: c.arm, service: c.service}, nil
}

// On is the call on a resource that is there, as its type's steps have it; nil where there is none.
func (c *Call) On(id azure.ID) (*Call, *azure.Error) {
	sub, e := c.sub(http.MethodPut, id, nil)
	if e != nil {
		return nil, e
	}
	old, err := c.Load(id)
	if err != nil || old == nil {
		return nil, Fault(err)
	}
	sub.Old, sub.Doc = old, Clone(old)
	return sub, nil
}

// Decide asks the engine for any principal, now.
func (c *Call) Decide(p azure.PrincipalID, action azure.Action, scope azure.ID) rbac.Decision {
	return c.arm.cfg.Policy.Current().Decide(rbac.Request{Principal: p, Action: action, Scope: scope, At: c.Now, Attributes: rbac.Attributes{}.Known()})
}

// May asks the engine for the caller.
func (c *Call) May(action azure.Action, scope azure.ID) bool {
	return c.service || c.decide(action, scope).Outcome == rbac.Granted
}

func (c *Call) decide(action azure.Action, scope azure.ID) rbac.Decision {
	return c.Policy().Decide(c.question(action, scope))
}

func (c *Call) question(action azure.Action, scope azure.ID) rbac.Request {
	return rbac.Request{Principal: c.Caller.ID, Groups: c.Caller.Groups, Action: action, Scope: scope, At: c.Now, Attributes: c.attributes(action)}
}

// attributes are what conditions read of the call, if the action is what it is about.
func (c *Call) attributes(action azure.Action) rbac.Attributes {
	var a rbac.Attributes
	if t := c.Type; t != nil && t.Attributes != nil && (action == t.write() || action == t.delete()) {
		a = t.Attributes(c)
	}
	return a.Known()
}

// judge decides for the caller and records it. Where refusals are only logged, everything passes.
func (c *Call) judge(action azure.Action, scope azure.ID) (d rbac.Decision, pass bool) {
	q := c.question(action, scope)
	d = c.Policy().Decide(q)
	if record := c.arm.cfg.Decided; record != nil {
		record(d.Record(q))
	}
	return d, d.Outcome == rbac.Granted || c.arm.cfg.LogOnly
}

// Policy is the engine's state as of the last commit.
func (c *Call) Policy() *rbac.Policy { return c.arm.cfg.Policy.Current() }

// Providers are the resource providers of the local Azure, in order of their namespaces.
func (c *Call) Providers() []*Provider {
	return slices.SortedFunc(maps.Values(c.arm.reg.providers), func(a, b *Provider) int {
		return strings.Compare(a.Namespace, b.Namespace)
	})
}

// Serves reports whether a type is one that the local Azure has.
func (c *Call) Serves(typ string) bool { return c.arm.reg.find(typ) != nil }

// Tenant is the directory's id.
func (c *Call) Tenant() azure.GUID { return c.arm.cfg.Tenant }

// Effective is when a role assignment made or removed now begins to count.
func (c *Call) Effective() time.Time {
	if c.arm.cfg.Propagation == 0 {
		return time.Time{}
	}
	return c.Now.Add(c.arm.cfg.Propagation)
}

// authorize refuses the call unless the caller may perform action on scope, in Azure's words.
func (c *Call) authorize(action azure.Action, scope azure.ID) *azure.Error {
	if c.service {
		return nil
	}
	d, pass := c.judge(action, scope)
	switch {
	case pass:
		return nil
	case d.Outcome == rbac.Denied:
		f := c.Who(action, scope)
		f["name"], f["id"], f["denyScope"] = d.Deny.Name, strings.ReplaceAll(d.Deny.ID.Name(), "-", ""), d.Deny.Scope.String()
		return azure.DenyAssignmentAuthorizationFailed.Format(f)
	case d.Condition || action.Is("Microsoft.Authorization/roleAssignments/write") || action.Is("Microsoft.Authorization/roleAssignments/delete"):
		return azure.AuthorizationFailedCondition.Format(c.Who(action, scope))
	}
	return azure.AuthorizationFailed.Format(c.Who(action, scope))
}

// Authorize refuses the call unless the caller may perform an action on a scope, where a type decides by itself who may
// do what.
func (c *Call) Authorize(action azure.Action, scope azure.ID) *azure.Error {
	return c.authorize(action, scope)
}

// Who fills the fields that every refusal begins with. Users are named by UPN, applications by client id,
// managed identities by object id, as recorded texts do.
func (c *Call) Who(action azure.Action, scope azure.ID) azure.Fields {
	client := c.Caller.ID.String()
	switch {
	case c.Caller.UPN != "":
		client = c.Caller.UPN
	case c.Caller.Resource.IsZero() && !c.Caller.AppID.IsZero():
		client = c.Caller.AppID.String()
	}
	return azure.Fields{"client": client, "oid": c.Caller.ID.String(), "action": c.spelled(action), "scope": scope.String()}
}

// spelled is an action as refusals print it: those on resource groups have the path's spelling of the word, which is
// resourcegroups with az (recorded).
func (c *Call) spelled(action azure.Action) string {
	head, rest, ok := strings.Cut(string(action), "/resourceGroups/")
	path := strings.SplitN(strings.Trim(c.Path, "/"), "/", 4)
	if !ok || head != azure.TypeSubscription || len(path) < 3 || !strings.EqualFold(path[2], "resourceGroups") {
		return string(action)
	}
	return head + "/" + path[2] + "/" + rest
}

// Load reads any resource's document, wherever it is stored; nil where there is none. It asks no permission.
func (c *Call) Load(id azure.ID) (Doc, error) {
	s, err := c.recall(id)
	return s.copy(), err
}

// look is Load for those who do not change the document: it is shared.
func (c *Call) look(id azure.ID) (Doc, error) {
	s, err := c.recall(id)
	if s == nil {
		return nil, err
	}
	return s.Doc, nil
}

// recall is look with what is known of the document; nil where there is none.
func (c *Call) recall(id azure.ID) (*stored, error) {
	t := c.arm.reg.find(id.Type())
	if t != nil && t.inside != nil {
		parent, err := c.look(id.Parent())
		if parent == nil || err != nil {
			return nil, err
		}
		if _, e := t.inside.element(parent, id.Name()); e != nil {
			return remember(t.inside.project(parent, e)), nil
		}
		return nil, nil
	}
	d, err := c.Tx.Get(directory.KindResource, t.key(id))
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return shared(d)
}

// Resources yields the documents of a type in a subscription or resource group, or below a parent resource.
func (c *Call) Resources(scope azure.ID, typ string) iter.Seq2[Doc, error] {
	return c.resources(c.arm.reg.find(typ), scope, "")
}

func (c *Call) resources(t *Type, scope azure.ID, after string) iter.Seq2[Doc, error] {
	return decoded(c.scan(t, scope, after))
}

// decoded are the documents' bodies.
func decoded(docs iter.Seq2[store.Doc, error]) iter.Seq2[Doc, error] {
	return func(yield func(Doc, error) bool) {
		for d, err := range docs {
			var doc Doc
			if err == nil {
				doc, err = decode(d.Body)
			}
			if !yield(doc, err) {
				return
			}
		}
	}
}

// scan yields stored documents of a type in a subscription or resource group, or the children of a resource,
// in key order after a key.
func (c *Call) scan(t *Type, scope azure.ID, after string) iter.Seq2[store.Doc, error] {
	if scope.ResourceGroup() == "" && !strings.Contains(scope.Key(), "/providers/") {
		return func(yield func(store.Doc, error) bool) {
			for d, err := range c.Tx.Find(typeRef(t, scope)) {
				if err == nil && d.Key <= after {
					continue
				}
				if !yield(d, err) {
					return
				}
			}
		}
	}
	prefix := strings.ToLower(t.Name) + "/"
	if strings.Contains(scope.Key(), "/providers/") && t.Place != Any {
		prefix = scope.Key() + prefix[strings.LastIndexByte(prefix[:len(prefix)-1], '/'):]
	} else {
		prefix = scope.Key() + "/providers/" + prefix
	}
	return func(yield func(store.Doc, error) bool) {
		for d, err := range c.Tx.Scan(directory.KindResource, prefix, after) {
			if err == nil && strings.Contains(d.Key[len(prefix):], "/") {
				continue // a child or an extension of one
			}
			if !yield(d, err) {
				return
			}
		}
	}
}

// Everything yields the documents at a scope and below it as clients see them, each followed by those that are stored inside of
// it. What was written by another version and has no type any more is left out.
func (c *Call) Everything(scope azure.ID) iter.Seq2[Doc, error] {
	return func(yield func(Doc, error) bool) {
		for d, err := range c.Tx.Scan(directory.KindResource, strings.TrimSuffix(scope.Key(), "/"), "") {
			var doc Doc
			if err == nil {
				doc, err = decode(d.Body)
			}
			if err != nil {
				yield(nil, err)
				return
			}
			id, _ := azure.ParseID(Str(doc, "id"))
			t := c.arm.reg.find(id.Type())
			if t == nil || !scope.Contains(id) {
				continue
			}
			if !yield(c.view(t, doc), nil) || !c.inside(t, doc, yield) {
				return
			}
		}
	}
}

// inside yields the children that are stored in a document.
func (c *Call) inside(t *Type, doc Doc, yield func(Doc, error) bool) bool {
	for i := range t.Children {
		for _, e := range t.Children[i].elements(doc) {
			if child := t.Children[i].project(doc, e); !yield(c.view(t.Children[i].Type, child), nil) {
				return false
			}
		}
	}
	return true
}

// typeRef is the index entry under which a subscription's documents of one type are found.
func typeRef(t *Type, id azure.ID) string {
	sub := ""
	if t.Place != InTenant {
		sub = strings.ToLower(id.Subscription())
	}
	return "type:" + sub + ":" + strings.ToLower(t.Name)
}

// stored is a document as it was parsed, once for all who read it. It must not be changed.
type stored struct {
	Doc
	own  func() users  // the references inside of it
	json func() []byte // what a client sees of it where nothing is computed
}

// copy is the document for those who change it; nil where there is none.
func (s *stored) copy() Doc {
	if s == nil || s.Doc == nil {
		return nil
	}
	return Clone(s.Doc)
}

func parseStored(body []byte) (*stored, error) {
	d, err := decode(body)
	if err != nil {
		return nil, err
	}
	return remember(d), nil
}

// remember makes a document one that is not changed any more.
func remember(d Doc) *stored {
	return &stored{d, sync.OnceValue(func() users { return ownUsers(d) }), sync.OnceValue(func() []byte {
		b, _ := json.Marshal(outside(d)) // it came from JSON
		return b
	})}
}

// shared is a document's body, parsed once.
func shared(d store.Doc) (*stored, error) { return store.Parsed(d, parseStored) }

func decode(body []byte) (Doc, error) {
	var d Doc
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber()
	err := dec.Decode(&d)
	return d, err
}

// save writes a resource's document with what it refers to.
func (c *Call) save(t *Type, id azure.ID, d Doc) error {
	body, err := json.Marshal(d)
	if err != nil {
		return err
	}
	refs := []string{typeRef(t, id)}
	for _, l := range t.links() {
		Each(d, l.Path, func(v any) {
			if s, ok := v.(string); ok {
				if target, err := azure.ParseID(s); err == nil {
					refs = append(refs, target.Key())
				}
			}
		})
	}
	if t.Refs != nil {
		refs = append(refs, t.Refs(d)...)
	}
	slices.Sort(refs)
	return c.Tx.Put(store.Doc{Kind: directory.KindResource, Key: t.key(id), Refs: slices.Compact(refs), Body: body})
}

// Save writes c.Doc back from a Step.
func (c *Call) Save() *azure.Error { return Fault(c.save(c.Type, c.ID, c.Doc)) }

// Fault turns an error into an answer: one of Azure's stays what it is, any other is an internal error. nil stays nil.
func Fault(err error) *azure.Error {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*azure.Error](err); ok {
		return e
	}
	return &azure.Error{Status: http.StatusInternalServerError, Code: "InternalServerError", Message: err.Error()}
}

// Find yields the resources with an index entry: what their type's Links or Refs put there.
func (c *Call) Find(ref string) iter.Seq2[Doc, error] { return decoded(c.Tx.Find(ref)) }

// At yields the extension resources of a type that stand on exactly one scope.
func (c *Call) At(scope azure.ID, typ string) iter.Seq2[Doc, error] {
	return decoded(c.Tx.Scan(directory.KindResource, scope.Resource(typ).Key()+"/", ""))
}

// Extensions yields the extension resources of a type at a scope and everywhere below it.
func (c *Call) Extensions(scope azure.ID, typ string) iter.Seq2[Doc, error] {
	t := c.arm.reg.find(typ)
	if scope.ResourceGroup() == "" {
		return decoded(c.scan(t, scope, ""))
	}
	return decoded(func(yield func(store.Doc, error) bool) {
		for d, err := range c.Tx.Scan(directory.KindResource, scope.Key()+"/", "") {
			if err == nil && !strings.EqualFold(azure.MustID(d.Key).Type(), t.Name) {
				continue
			}
			if !yield(d, err) {
				return
			}
		}
	})
}
