package arm

import (
	"encoding/base64"
	"encoding/json"
	"iter"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"aksid/internal/azure"
)

// pageSize is how many elements a list answers at once.
const pageSize = 1000

// get answers one document. Like Azure it refuses before it says that there is nothing.
func (c *Call) get() (answer, *azure.Error) {
	if !c.Type.Open && !(c.Type.RootOpen && c.ID.Subscription() == "" && c.atRoot()) {
		scope := c.ID
		if c.Type.Single {
			scope = c.ID.Parent()
		}
		if err := c.authorize(c.Type.read(), scope); err != nil {
			return answer{}, err
		}
	}
	doc, err := c.peek()
	if err != nil {
		if c.Method == http.MethodHead && err.Status == http.StatusNotFound {
			return answer{status: http.StatusNotFound}, nil
		}
		return answer{}, err
	}
	if c.Method == http.MethodHead {
		return answer{status: http.StatusNoContent}, nil
	}
	ans := answer{status: http.StatusOK}
	if c.plain(doc) {
		ans.body = json.RawMessage(doc.json())
	} else {
		ans.body = c.view(c.Type, doc.Doc)
	}
	if tag := Str(doc.Doc, "etag"); c.Type.ETag && tag != "" {
		ans.header = http.Header{"Etag": {tag}}
	}
	if s, ok := doc.Doc[statusMember].(int); ok {
		ans.status = s
	}
	if h, ok := doc.Doc[headerMember].(http.Header); ok {
		ans.header = h
	}
	if ans.status == http.StatusNoContent || ans.status == http.StatusAccepted {
		ans.body = nil
	}
	return ans, nil
}

func (c *Call) atRoot() bool {
	scope, _, _ := c.ID.Split()
	return scope.Equal(azure.Root)
}

// read finds the document that the call is about, or says what is missing.
func (c *Call) read() (Doc, *azure.Error) {
	doc, err := c.peek()
	if err != nil {
		return nil, err
	}
	return doc.copy(), nil
}

// peek is read for those who do not change the document: it is shared.
func (c *Call) peek() (*stored, *azure.Error) {
	if c.Type.Get != nil {
		doc, err := c.Type.Get(c)
		return remember(doc), err
	}
	doc, err := c.current()
	if err != nil {
		return nil, Fault(err)
	}
	if doc == nil {
		return nil, c.notFound()
	}
	return doc, nil
}

// current is the document of c.ID, written or there from the beginning, which is shared; nil where there is none.
func (c *Call) current() (*stored, error) {
	doc, err := c.recall(c.ID)
	if doc == nil && err == nil && c.Type.Initial != nil {
		if initial := c.Type.Initial(c); initial != nil {
			doc = remember(initial)
		}
	}
	return doc, err
}

// notFound says which part of an id does not exist, from the subscription down.
func (c *Call) notFound() *azure.Error {
	if err := c.findScope(); err != nil {
		return err
	}
	switch {
	case c.Type.Name == azure.TypeResourceGroup:
		return azure.ResourceGroupNotFound.Format(azure.Fields{"group": c.ID.Name()})
	case c.Type.Name == azure.TypeSubscription:
		return azure.SubscriptionNotFound.Format(azure.Fields{"subscription": c.ID.Name()})
	case c.Type.inside != nil:
		return azure.NotFound.Format(azure.Fields{"id": c.ID.String()})
	}
	_, typ, names := c.ID.Split()
	return azure.ResourceNotFound.Format(azure.Fields{"resource": shortID(typ, names), "group": c.ID.ResourceGroup()})
}

// shortID is a type with the names in their places, as ARM's texts have it.
func shortID(typ string, names []string) string {
	parts := strings.Split(typ, "/")
	id := parts[0]
	for i, name := range names {
		id += "/" + parts[i+1] + "/" + name
	}
	return id
}

// findSubscription checks that the subscription of an id exists.
func (c *Call) findSubscription() *azure.Error {
	sub := c.ID.Subscription()
	if sub == "" || len(c.Policy().ManagementGroups(c.ID)) > 0 { // it is under one, and never goes
		return nil
	}
	return c.find(azure.SubscriptionID(sub), azure.SubscriptionNotFound.Format(azure.Fields{"subscription": sub}))
}

// find returns missing where there is no document of an id.
func (c *Call) find(id azure.ID, missing *azure.Error) *azure.Error {
	doc, err := c.look(id)
	if err == nil && doc == nil {
		return missing
	}
	return Fault(err)
}

// findScope checks that the subscription and the resource group of an id exist.
func (c *Call) findScope() *azure.Error {
	if err := c.findSubscription(); err != nil || c.Type.Name == azure.TypeResourceGroup {
		return err
	}
	return c.findGroup()
}

func (c *Call) findGroup() *azure.Error {
	group := c.ID.GroupID()
	if group.IsZero() {
		return nil
	}
	return c.find(group, azure.ResourceGroupNotFound.Format(azure.Fields{"group": group.Name()}))
}

// list answers a collection, page by page. The permission is checked at the scope that is listed;
// Azure then names the provider as the scope (azure-facts 3.3).
func (c *Call) list() (answer, *azure.Error) {
	if !c.Type.Open && !c.Type.Trims && !(c.Type.RootOpen && c.ID.Equal(azure.Root)) {
		scope := c.ID
		if ns := namespace(c.Type.Name); c.Type.Place == InGroup && !strings.Contains(scope.Key(), "/providers/") {
			scope = scope.Join("providers", ns)
		}
		if err := c.authorize(c.Type.read(), scope); err != nil {
			return answer{}, err
		}
	}
	if c.Type.Sees != nil && !c.Type.Sees(c, c.ID) {
		if err := c.authorize(c.Type.read(), c.ID); err != nil {
			return answer{}, err
		}
	}
	if err := c.findListed(); err != nil {
		return answer{}, err
	}
	value := []any{}
	next := ""
	n := 0
	for doc, err := range c.listed() {
		if err != nil {
			return answer{}, Fault(err)
		}
		if n++; n <= c.offset() || c.Type.Trims && !c.May(c.Type.read(), azure.MustID(Str(doc, "id"))) {
			continue
		}
		if len(value) == pageSize {
			next = c.nextLink(value[pageSize-1], n-1)
			break
		}
		value = append(value, c.view(c.Type, doc))
	}
	if c.Type.Bare {
		return answer{status: http.StatusOK, body: value}, nil
	}
	body := Doc{"value": value}
	if next != "" {
		body["nextLink"] = next
	}
	return answer{status: http.StatusOK, body: body}, nil
}

// findListed checks that the group or the parent resource of a collection exists; extensions are listed of anything.
func (c *Call) findListed() *azure.Error {
	if err := c.findGroup(); err != nil {
		return err
	}
	t := c.arm.reg.find(c.ID.Type())
	if c.Type.Place == Any || t == nil || t.Get != nil || !strings.Contains(c.ID.Key(), "/providers/") {
		return nil
	}
	return c.find(c.ID, azure.ParentNotFound.Format(azure.Fields{"verb": "read", "parent": c.ID.String(),
		"type": strings.TrimPrefix(c.Type.Name, namespace(c.Type.Name)+"/")}))
}

// stored reports whether a list is taken straight from the store, in the order of keys.
func (c *Call) stored() bool { return c.Type.List == nil && c.Type.inside == nil }

func (c *Call) listed() iter.Seq2[Doc, error] {
	switch {
	case c.Type.List != nil:
		return c.Type.List(c)
	case c.Type.inside != nil:
		return c.listInside()
	}
	return c.resources(c.Type, c.ID, c.skipToken())
}

// skipToken is where the page before this one ended: a key of the store, or how many elements there were.
func (c *Call) skipToken() string {
	b, err := base64.RawURLEncoding.DecodeString(query(c.Request, "$skiptoken"))
	if err != nil {
		return ""
	}
	return string(b)
}

func (c *Call) offset() int {
	if c.stored() {
		return 0
	}
	n, _ := strconv.Atoi(c.skipToken())
	return n
}

func (c *Call) nextLink(last any, n int) string {
	token := strconv.Itoa(n)
	if c.stored() {
		doc, _ := last.(Doc)
		token = azure.MustID(Str(doc, "id")).Key()
	}
	q := maps.Clone(c.Query)
	q.Set("$skiptoken", base64.RawURLEncoding.EncodeToString([]byte(token)))
	return c.Base + c.Path + "?" + q.Encode()
}

// Members of a document that say how a type's own Get wants to be answered.
const (
	internal     = "_"
	statusMember = "_status"
	headerMember = "_header"
)

// Answer sets status and headers of the answer to a type's own Get.
func Answer(d Doc, status int, h http.Header) Doc {
	d[statusMember], d[headerMember] = status, h
	return d
}

// outside is a document without what is the local Azure's own.
func outside(d Doc) Doc {
	out := make(Doc, len(d))
	for k, v := range d {
		if !strings.HasPrefix(k, internal) {
			out[k] = v
		}
	}
	return out
}

// plain reports whether a client sees the document as it is stored.
func (c *Call) plain(d *stored) bool {
	t := c.Type
	return t.Get == nil && !t.SystemData && t.View == nil && !t.childComputes() && (len(t.Back) == 0 || len(c.users(c.ID, d.own())) == 0)
}

// view is a document as a client sees it.
func (c *Call) view(t *Type, d Doc) Doc {
	out := outside(d)
	if t.SystemData {
		if sd := Map(d, "_.systemData"); sd != nil {
			out["systemData"] = sd
		}
	}
	if !t.computes() {
		return out
	}
	out = Clone(out)
	root := out
	if t.inside != nil {
		if id, err := azure.ParseID(Str(d, "id")); err == nil {
			root, _ = c.look(id.Parent())
		}
	}
	c.compute(t, out, ownUsers(root))
	return out
}

// computes reports whether a reader sees more of the type's documents than what is stored.
func (t *Type) computes() bool {
	return t.View != nil || len(t.Back) > 0 || t.childComputes()
}

func (t *Type) childComputes() bool {
	return slices.ContainsFunc(t.Children, func(ch Child) bool { return !ch.Flat && ch.Type.computes() })
}

// compute fills in what is not stored, in a document and in the children inside of it.
func (c *Call) compute(t *Type, d Doc, own users) {
	c.fillBack(t, d, own)
	for i := range t.Children {
		if ch := &t.Children[i]; !ch.Flat && ch.Type.computes() {
			for _, e := range ch.elements(d) {
				c.compute(ch.Type, e, own)
			}
		}
	}
	if t.View != nil {
		t.View(c, d)
	}
}

// Param is a parameter of the query, whatever the case of its name; "" where there is none.
func (c *Call) Param(name string) string { return query(c.Request, name) }

// Shown is any resource's document as a client sees it.
func (c *Call) Shown(id azure.ID, d Doc) Doc {
	if t := c.arm.reg.find(id.Type()); t != nil {
		return c.view(t, d)
	}
	return d
}

// act runs a POST action.
func (c *Call) act() (answer, *azure.Error) {
	a := c.Type.Actions[strings.ToLower(c.Action)]
	action := a.RBAC
	if action == "" {
		action = azure.Action(c.Type.Name + "/" + c.Action + "/action")
	}
	if !a.Open {
		if err := c.authorize(action, c.ID); err != nil {
			return answer{}, err
		}
	}
	doc, err := c.read()
	if err != nil && a.Absent && err.Status == http.StatusNotFound {
		doc, err = nil, c.findScope()
	}
	if err != nil {
		return answer{}, err
	}
	if err := c.unlocked(); err != nil {
		return answer{}, err
	}
	c.Doc = doc
	if a.Long {
		return c.actLater(a)
	}
	if len(a.Then) > 0 {
		return c.actThen(a)
	}
	body, err := a.Do(c)
	if err != nil {
		return answer{}, c.Type.own(err)
	}
	status := a.Status
	switch {
	case a.After != 0:
		status = http.StatusAccepted
	case status == 0:
		status = http.StatusOK
	}
	if c.tried = a.Try; a.Try {
		return answer{status: status, body: body}, nil
	}
	ans := answer{status: status, body: body}
	c.receipt(&ans, a.After)
	return ans, Fault(c.log("Succeeded", status, nil))
}

// actLater runs an action that changes c.Doc, and begins the operation that does the rest.
func (c *Call) actLater(a Action) (answer, *azure.Error) {
	c.Old = Clone(c.Doc)
	if err := c.idle(); err != nil {
		return answer{}, err
	}
	body, err := a.Do(c)
	if err = c.Type.own(err); err == nil {
		err = c.write()
	}
	owner := c
	if err == nil && c.Type.inside != nil {
		owner, err = c.openParent()
	}
	if err != nil {
		return answer{}, err
	}
	ans, err := c.later(owner, verbWrite)
	ans.body = body
	return ans, err
}

// actThen lets an action accept the request, and begins the operation that carries it out.
func (c *Call) actThen(a Action) (answer, *azure.Error) {
	c.Old = c.Doc
	if err := c.idle(); err != nil {
		return answer{}, err
	}
	if _, err := a.Do(c); err != nil {
		return answer{}, c.Type.own(err)
	}
	return c.later(c, strings.ToLower(c.Action))
}
